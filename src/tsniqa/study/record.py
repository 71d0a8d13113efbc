"""Run records: the small files from which everything a notebook shows is derived.

A record is a folder with ``record.json`` (what was run, on what, where) and ``arrays.safetensors``
(head scores, course of learning). What does not depend on the strategy (what the gates need, names
and contents of test images, opinion scores of simulated tasks) is kept once, under a hash of its
content, in the folder ``shared`` beside it. Of human-rated tasks, correlations and draws replace
opinion scores.
"""

import hashlib
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from pydantic import BaseModel, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from tsniqa.cards import BackboneCard
from tsniqa.data.task import PARTS, Task
from tsniqa.errors import RecordError, one_line
from tsniqa.model.readouts import MIXTURES, READOUTS, Level
from tsniqa.model.tsniqa import SHARED
from tsniqa.paths import written_whole
from tsniqa.strategies.base import ParameterCount
from tsniqa.study.config import Preset, RunConfig

SHARED_ARRAYS = ("references", "distances", "gate_features", "gate_sums", "mos")

#: What reading stored tensors of a stranger may raise.
DAMAGE = (
    SafetensorError, LookupError, ValueError, TypeError, RuntimeError, MemoryError, AttributeError
)  # fmt: skip

STEPS = ("head", "images")  # what an epoch learned on, see tsniqa.training.trainer.Epoch

# Bootstrap draws in [-1, 1] are kept in 16 bits: to the nearest 1/32767.
MISSING_DRAW, DRAW_SCALE = -32768, 32767

# Columns of a record's history and how they are stored; tasks and steps by their numbers.
HISTORY = {"task": "uint8", "step": "uint8", "epoch": "int16"}
HISTORY |= {"loss": "float32", "validation_srcc": "float32"}


class TaskInfo(BaseModel):
    """What a record says of a task."""

    name: str
    citation: str
    licence: str
    mos_range: tuple[float, float]
    simulated: bool
    images: dict[str, int]
    fingerprint: str

    @classmethod
    def of(cls, task: Task) -> "TaskInfo":
        """Take a task's attributes of the same names, and count its images."""
        images = {part: len(task.part(part)) for part in PARTS}
        return cls(**vars(task), images=images, fingerprint=task.fingerprint())


class HeadEvent(NamedTuple):
    """The scores of one head at one step: one row of the record's ``scores``."""

    step: int  #: number of the task, from 0, after which the head had these scores
    head: str  #: its task, or "shared"
    mean: float  #: of its scores over its own training images
    spread: float  #: their standard deviation


class RecordDescription(BaseModel):
    """The content of ``record.json``; its flags are those of the strategy."""

    schema_version: Literal[3] = 3
    results_version: int
    run_id: str
    config: RunConfig
    preset: Preset
    backbone: BackboneCard
    gated: bool
    all_at_once: bool
    order_dependent: bool
    tasks: list[TaskInfo]
    parameters: ParameterCount
    timings: dict[str, float]
    device: str
    versions: dict[str, str]
    commit: str | None
    code: str = ""  #: digest of the code that made it; records of before it was kept have none
    fingerprints: dict[str, str]
    shared: dict[str, str] = {}


@dataclass
class RunRecord:
    """One finished run; rows of images are all test images of all tasks, tasks in name order.

    From the description follow ``config``, ``strategy``, ``order`` (task names as they were
    learned), ``names`` (sorted), ``tasks`` (their :class:`TaskInfo` in that order), ``simulated``
    (whether all are), ``readouts`` (the paper's first) and ``tabulated`` (of ``correlations``).
    ``correlations`` and ``draws`` stand in for the opinion scores of human-rated tasks, see
    :func:`tsniqa.study.evaluation.correlation_table` and :func:`tsniqa.study.bootstrap.draw_table`.
    """

    description: RecordDescription
    scores: np.ndarray  #: float32 [events, N]
    events: list[HeadEvent]  #: what each row of ``scores`` is
    test_images: dict[str, list[str]]  #: names by task
    history: pd.DataFrame  #: every epoch; the columns :data:`HISTORY`
    references: np.ndarray  #: int32 [N], the number of an image's content within its task
    distances: np.ndarray | None = None  #: float32 [N, T, stages] of the K-means gate
    gate_features: np.ndarray | None = None  #: float16 [N, C] that the analytic gate reads
    gate_sums: np.ndarray | None = None  #: float32 [T, ...], upper triangles of its ``sums_``
    mos: np.ndarray | None = None  #: float64 [N] opinion scores if all tasks are simulated
    correlations: np.ndarray | None = None  #: float64 [states, readouts, T, measures]
    draws: np.ndarray | None = None  #: float32 [readouts, T, 1000] SRCC after the last task
    folder: Path | None = None  #: where it was read from or written to
    cache: dict = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        facts = self.description
        self.config, self.strategy = facts.config, facts.config.strategy
        self.tasks = {task.name: task for task in facts.tasks}
        self.order, self.names = list(self.tasks), sorted(self.tasks)
        self.simulated = all(task.simulated for task in facts.tasks)
        if not facts.gated:
            self.readouts = self.tabulated = ("single",)
        elif facts.order_dependent:
            self.readouts = self.tabulated = (*READOUTS, "half")
        else:  # heads stay as they were: oracle and latest follow from sets of one task
            self.readouts, self.tabulated = READOUTS, MIXTURES

    def rows(self, task: str) -> slice:
        """Return the rows of a task's test images."""
        start = sum(len(self.test_images[name]) for name in self.names if name < task)
        return slice(start, start + len(self.test_images[task]))

    def _row(self, name: str, step: int | None) -> int:
        """Return the row of a head's scores at a step (default: its last)."""
        last = np.inf if step is None else step
        known = [row for row, one in enumerate(self.events) if one.head == name]
        return [row for row in known if self.events[row].step <= last][-1]

    def head(self, name: str, step: int | None = None) -> np.ndarray:
        """Return a head's scores [N] at a step (default: its last); 0 where it has diverged."""
        scores = self.scores[self._row(name, step)].astype(np.float64)
        return np.where(np.isfinite(scores), scores, 0.0)

    def level(self, name: str, step: int | None = None) -> Level:
        """Return the level of a head at a step (default: its last)."""
        event = self.events[self._row(name, step)]
        return Level(event.mean, event.spread)

    def save(self, folder: Path, shared: Path | None = None) -> None:
        """Write into an existing folder; what records share, into one (by default) beside it."""
        names = np.frombuffer(json.dumps(self.test_images).encode(), np.uint8)
        common = {name: getattr(self, name) for name in SHARED_ARRAYS} | {"test_images": names}
        place = shared or folder.parent / "shared"
        digests = {name: _keep(it, place) for name, it in common.items() if it is not None}
        self.description = self.description.model_copy(update={"shared": digests})
        self.folder = folder
        with written_whole(folder / "arrays.safetensors") as partial:
            partial.write_bytes(save(self._arrays()))
        text = json.dumps(self.description.model_dump(mode="json"), indent=1)
        # A line for each setting: what lies deeper stays on its line.
        text = re.sub(r"(?<=[\[{])\n {3,}|\n {2,}(?=[\]}])", "", text)
        with written_whole(folder / "record.json") as partial:
            partial.write_text(re.sub(r"\n {3,}", " ", text) + "\n", encoding="utf-8")

    def _arrays(self) -> dict[str, np.ndarray]:
        """Return what the record alone has; heads that did not change are stored once."""
        bits = np.ascontiguousarray(self.scores).view(np.uint32)
        scores, rows = np.unique(bits, axis=0, return_inverse=True)
        heads = [*self.names, SHARED]
        arrays = {
            "scores": scores.view(np.float32),
            "event_row": rows.reshape(-1).astype(np.int16),
            "event_step": np.array([event.step for event in self.events], np.int16),
            "event_head": np.array([heads.index(event.head) for event in self.events], np.int16),
            "event_mean": np.array([event.mean for event in self.events], np.float64),
            "event_spread": np.array([event.spread for event in self.events], np.float64),
        }
        numbers = {"task": self.order.index, "step": STEPS.index}
        history = self.history.assign(**{k: self.history[k].map(f) for k, f in numbers.items()})
        for name, dtype in HISTORY.items():
            arrays[f"history_{name}"] = history[name].to_numpy().astype(dtype)
        if self.correlations is not None:
            arrays["correlations"] = self.correlations
        if self.draws is not None:
            scaled = np.rint(self.draws.astype(np.float64) * DRAW_SCALE)
            arrays["draws"] = np.nan_to_num(scaled, nan=MISSING_DRAW).astype(np.int16)
        return {name: np.ascontiguousarray(array) for name, array in arrays.items()}

    @classmethod
    def load(cls, folder: Path) -> "RunRecord":
        """Read a record; a RecordError says that the folder holds no finished, readable one."""
        try:
            content = (folder / "record.json").read_text(encoding="utf-8")
            description = RecordDescription.model_validate_json(content)
            stored = load_file(folder / "arrays.safetensors")
            for name, digest in description.shared.items():
                path = folder.parent / "shared" / f"{digest}.safetensors"
                stored[name] = load_file(path)["content"]
            return cls(description, folder=folder, **_read(stored, description))
        except (*DAMAGE, OSError, ValidationError) as error:
            reason = one_line(str(error).partition("\n")[0])
            remedy = "delete the folder and run again"
            if not (folder / "record.json").is_file():
                remedy = "name the folder of a finished run"
            raise RecordError(f"no readable run record in {folder} ({reason}); {remedy}") from error


def _read(stored: dict[str, np.ndarray], description: RecordDescription) -> dict[str, Any]:
    """Turn stored arrays into the fields of a record."""
    order = [task.name for task in description.tasks]
    heads = [*sorted(order), SHARED]
    events = zip(*(stored[f"event_{name}"].tolist() for name in HeadEvent._fields), strict=True)
    history = pd.DataFrame({name: stored[f"history_{name}"] for name in HISTORY})
    fields = {name: stored.get(name) for name in (*SHARED_ARRAYS, "correlations", "draws")}
    if (draws := fields["draws"]) is not None:
        draws = np.where(draws == MISSING_DRAW, np.nan, draws / DRAW_SCALE)
        fields["draws"] = draws.astype(np.float32)
    return fields | {
        "scores": stored["scores"][stored["event_row"]],
        "events": [HeadEvent(step, heads[head], *level) for step, head, *level in events],
        "test_images": json.loads(stored["test_images"].tobytes()),
        "history": history.assign(
            task=history["task"].map(order.__getitem__), step=history["step"].map(STEPS.__getitem__)
        ),
    }


def _keep(array: np.ndarray, folder: Path) -> str:
    """Keep an array under a hash of its content, which is returned."""
    content = save({"content": np.ascontiguousarray(array)})
    digest = hashlib.sha256(content).hexdigest()[:32]
    path = folder / f"{digest}.safetensors"
    if not path.is_file():
        with written_whole(path) as partial:
            partial.write_bytes(content)
    return digest

"""Run records: the small files from which everything a notebook shows is derived.

A record is a folder with ``record.json`` (what was run, on what, with which result sizes) and
``arrays.safetensors`` (head scores, gate distances, correlations). Records of human-rated tasks
hold no opinion scores; they hold correlations and bootstrap draws in their place.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from tsniqa.cards import BackboneCard
from tsniqa.errors import RecordError
from tsniqa.model.readouts import MIXTURES, READOUTS
from tsniqa.strategies.base import ParameterCount
from tsniqa.study.presets import Preset
from tsniqa.training.trainer import Epoch

RESULTS_VERSION = 1
"""Raised by hand when a change of the code changes results; part of every run's identity."""

MEASURES = ("srcc", "plcc", "krcc")


class RunConfig(BaseModel):
    """What identifies a run, as a user gives it.

    Attributes:
        preset: Name of the preset.
        strategy: Name of the strategy.
        task_order: Names of the tasks, in the order they are learned; None is the preset's.
        seed: Seed of everything random; for simulated tasks also the draw of the images.
        split: ``"given"`` (the table's column) or ``"0"`` to ``"9"`` (a seeded 70/10/20 split).
        backbone: Name or path of a backbone card; None is the preset's.
        overrides: New preset values by dotted path.
        splits_from: Folder of published split files that replace the split, or None.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    preset: str = "mini"
    strategy: str = "tsn"
    task_order: tuple[str, ...] | None = None
    seed: int = 0
    split: str = "given"
    backbone: str | None = None
    overrides: dict[str, Any] = {}
    splits_from: str | None = None


class TaskInfo(BaseModel):
    """What a record says of a task."""

    name: str
    description: str
    citation: str
    licence: str
    mos_range: tuple[float, float]
    simulated: bool
    images: dict[str, int]
    fingerprint: str


class HeadEvent(BaseModel):
    """The scores of one head at one step: one row of the record's ``scores``.

    Attributes:
        step: Number of the task, from 0, after which the head had these scores.
        head: The head's name: its task, or ``"shared"``.
        offset: Its mean score over its own training images.
    """

    step: int
    head: str
    offset: float


class RecordDescription(BaseModel):
    """The content of ``record.json``; its flags are those of the strategy's protocol."""

    schema_version: Literal[1] = 1
    results_version: int
    run_id: str
    config: RunConfig
    preset: Preset
    backbone: BackboneCard
    gated: bool
    all_at_once: bool
    drifting: bool = False
    tasks: list[TaskInfo]
    test_images: dict[str, list[str]]
    events: list[HeadEvent]
    history: dict[str, list[Epoch]]
    parameters: ParameterCount
    timings: dict[str, float]
    device: str
    versions: dict[str, str]
    commit: str | None
    fingerprints: dict[str, str]


@dataclass
class RunRecord:
    """One finished run.

    Rows of images: all test images of all tasks, tasks in name order.

    Attributes:
        description: Content of ``record.json``.
        scores: Float32 [events, N].
        distances: Float32 [N, T, stages] of the gate (tasks in name order), or None.
        mos: Float64 [N] opinion scores of simulated tasks, or None.
        correlations: Float64 [states, mixtures, T, measures], see
            :func:`tsniqa.study.evaluation.states`.
        draws: Float32 [rows, T, 1000] bootstrap SRCC after the last task, see
            :func:`tsniqa.study.evaluation.final_rows`; None where ``mos`` is there.
    """

    description: RecordDescription
    scores: np.ndarray
    distances: np.ndarray | None = None
    mos: np.ndarray | None = None
    correlations: np.ndarray | None = None
    draws: np.ndarray | None = None
    folder: Path | None = None
    cache: dict[tuple, Any] = field(default_factory=dict, repr=False)

    @property
    def config(self) -> RunConfig:
        """The configuration of the run."""
        return self.description.config

    @property
    def order(self) -> list[str]:
        """Task names in the order they were learned."""
        return [task.name for task in self.description.tasks]

    @property
    def tasks(self) -> dict[str, TaskInfo]:
        """What is known of each task, in the order they were learned."""
        return {task.name: task for task in self.description.tasks}

    @property
    def names(self) -> list[str]:
        """Task names in name order: the order of columns."""
        return sorted(self.order)

    @property
    def uses(self) -> tuple[str, ...]:
        """Ways in which this strategy's heads can be used."""
        if not self.description.gated:
            return ("single",)
        return (*READOUTS, "half") if self.description.drifting else READOUTS

    @property
    def mixtures(self) -> tuple[str, ...]:
        """Uses that are tabulated.

        With heads that stay as they were, ``oracle`` and ``latest`` follow from sets of one task.
        """
        return self.uses if self.description.drifting or not self.description.gated else MIXTURES

    def rows(self, task: str) -> slice:
        """Return the rows of a task's test images."""
        counts = [len(self.description.test_images[name]) for name in self.names]
        position = self.names.index(task)
        start = sum(counts[:position])
        return slice(start, start + counts[position])

    def head(self, name: str, step: int | None = None) -> np.ndarray:
        """Return a head's scores [N] at a step (default: its last)."""
        rows = [
            row
            for row, event in enumerate(self.description.events)
            if event.head == name and (step is None or event.step <= step)
        ]
        return self.scores[rows[-1]].astype(np.float64)

    def save(self, folder: Path) -> None:
        """Write the record into an existing folder."""
        arrays = {
            "scores": self.scores,
            "distances": self.distances,
            "mos": self.mos,
            "correlations": self.correlations,
            "draws": self.draws,
        }
        present = {k: np.ascontiguousarray(v) for k, v in arrays.items() if v is not None}
        save_file(present, folder / "arrays.safetensors")
        (folder / "record.json").write_text(self.description.model_dump_json(indent=1) + "\n")

    @classmethod
    def load(cls, folder: Path) -> "RunRecord":
        """Read a record.

        Raises:
            RecordError: The folder holds no finished, readable record.
        """
        try:
            text = (folder / "record.json").read_text()
            description = RecordDescription.model_validate_json(text)
            arrays = load_file(folder / "arrays.safetensors")
        except (OSError, ValidationError, SafetensorError) as error:
            reason = str(error).splitlines()[0]
            raise RecordError(
                f"no readable run record in {folder} ({reason}); delete the folder and run again"
            ) from error
        return cls(description, folder=folder, **arrays)


def find_records(results_dir: Path, **wanted: object) -> list[RunRecord]:
    """Find finished records by their configuration.

    Args:
        results_dir: A folder of record folders; it need not exist.
        **wanted: Values of :class:`RunConfig` fields, for instance ``preset="mini"``; a
            ``task_order`` of None matches any order.

    Returns:
        The matching records, in folder-name order.
    """
    return [record for record in iterate_records(results_dir) if _matches(record, wanted)]


def iterate_records(results_dir: Path) -> Iterator[RunRecord]:
    """Yield every finished record of a folder, in folder-name order."""
    for path in sorted(results_dir.glob("*/record.json")):
        yield RunRecord.load(path.parent)


def _matches(record: RunRecord, wanted: dict[str, object]) -> bool:
    for name, value in wanted.items():
        if name == "task_order":
            if value is not None and record.order != list(_as_sequence(value)):
                return False
        elif getattr(record.config, name) != value:
            return False
    return True


def _as_sequence(value: object) -> Sequence[str]:
    return value if isinstance(value, (list, tuple)) else [str(value)]

"""The study loop: one configuration in, one run record out; resumable after every task."""

import json
import logging
import platform
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from filelock import FileLock, Timeout
from safetensors.numpy import load_file as load_arrays
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import load_file, save_file

from tsniqa.data.cache import DecodedCache, decode_tasks
from tsniqa.data.images import ImageSet
from tsniqa.data.task import Task
from tsniqa.model.backbone import fingerprint, load_backbone
from tsniqa.paths import cache_folder, project_root
from tsniqa.runtime import reproducible
from tsniqa.strategies import find_strategy
from tsniqa.study.bootstrap import draw_table
from tsniqa.study.config import RESULTS_VERSION, ResolvedRun, RunConfig, resolve_run
from tsniqa.study.evaluation import correlation_table
from tsniqa.study.record import (
    HISTORY,
    HeadEvent,
    RecordDescription,
    RunRecord,
    TaskInfo,
)
from tsniqa.training.context import TrainingContext

log = logging.getLogger("tsniqa")


def run(config: RunConfig, data_root: Path, results_dir: Path, device: str = "auto") -> RunRecord:
    """Run a configuration, or return its record if it is already there.

    Every image is decoded before the first task is learned, so that a broken one costs no epoch.
    An interrupted run continues after its last finished task; the record appears at once, whole.
    A second process that is given the same run waits for the first.

    Args:
        config: What to run.
        data_root: Folder of datasets in the generic layout.
        results_dir: Folder of record folders; locks and what runs share lie in it, too.
        device: ``"auto"``, or a torch device name.

    Returns:
        The finished record.

    Raises:
        TsniqaError: See :func:`tsniqa.study.config.resolve_run`; or the weights are unusable.
    """
    resolved = resolve_run(config, data_root, device)
    folder = results_dir / resolved.run_id
    if (folder / "record.json").is_file():
        return RunRecord.load(folder)
    context = training_context(resolved, results_dir / "features")
    with _turn(folder):
        if (folder / "record.json").is_file():  # the other process has finished it
            return RunRecord.load(folder)
        decode_tasks(resolved.tasks, context.decoded)
        with reproducible(resolved.preset.threads):
            log.info("%s: learning %d tasks", resolved.run_id, len(resolved.tasks))
            return _Run(resolved, context, folder).finish()


def training_context(resolved: ResolvedRun, feature_cache: Path | None = None) -> TrainingContext:
    """Load the backbone of a run and put together what its strategy may use.

    Args:
        resolved: The run.
        feature_cache: Folder for features that runs share, or None.

    Raises:
        WeightsError: The backbone's weights are unusable.
    """
    preset, config = resolved.preset, resolved.config
    return TrainingContext(
        load_backbone(resolved.card, resolved.device),
        preset.schedule,
        preset.gate,
        config.seed,
        preset.shorter_side,
        weight=preset.weights.get(config.strategy),
        importance=preset.importance,
        memory=preset.memory,
        feature_cache=feature_cache,
        decoded=DecodedCache(cache_folder("decoded"), preset.shorter_side),
    )


@contextmanager
def _turn(folder: Path) -> Iterator[None]:
    """Hold a run's lock, so that two processes do not write the same steps."""
    locks = folder.parent / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    lock = FileLock(locks / f"{folder.name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        log.info("%s: another process is computing this run; waiting for it", folder.name)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


class _Run:
    """An unfinished run and its folder of finished steps."""

    def __init__(self, resolved: ResolvedRun, context: TrainingContext, folder: Path) -> None:
        self.resolved, self.context, self.folder = resolved, context, folder
        self.strategy = find_strategy(resolved.config.strategy)(context)
        self.tasks = resolved.tasks
        self.fingerprints = {
            "backbone": fingerprint(dict(context.backbone.network.state_dict())),
            "filters before": context.backbone.filters_fingerprint(),
        }
        self.partial = folder.with_name(folder.name + ".partial")
        self.partial.mkdir(parents=True, exist_ok=True)

    def finish(self) -> RunRecord:
        """Do the steps that are missing, then write the record."""
        last = len(self.tasks) - 1
        steps = [last] if self.strategy.all_at_once else list(range(last + 1))
        done = [step for step in steps if (self.partial / f"step-{step}.json").is_file()]
        if done:
            log.info("%s: continuing after %d finished steps", self.folder.name, len(done))
            self.strategy.load_state(load_file(self.partial / f"state-{done[-1]}.safetensors"))
        for step in steps[len(done) :]:
            self._do(step)
        return self._write_record(steps)

    def _do(self, step: int) -> None:
        """Learn one task, score all test images, and put both on disk."""
        task = self.tasks[step]
        start = time.perf_counter()
        learned = self.strategy.learn(task, self.tasks[:step])
        learning = time.perf_counter() - start
        start = time.perf_counter()
        names = sorted(learned.offsets)
        scores = np.concatenate(
            [self.strategy.model.read(images, names, gate=False)[0] for images in self._tests()]
        )
        scoring = time.perf_counter() - start
        content = {
            "history": [{"task": task.name, **epoch.model_dump()} for epoch in learned.history],
            "events": [(step, name, learned.offsets[name]) for name in names],
            "timings": {f"learning {task.name}": learning, f"scoring {task.name}": scoring},
        }
        save_file(
            {name: value.contiguous() for name, value in self.strategy.state().items()},
            self.partial / f"state-{step}.safetensors",
        )
        save_arrays(
            {"scores": np.ascontiguousarray(scores.T)}, self.partial / f"step-{step}.safetensors"
        )
        # The JSON file says that the step is finished, so it comes last and whole.
        unfinished = self.partial / f"step-{step}.json.partial"
        unfinished.write_text(json.dumps(content))
        unfinished.replace(self.partial / f"step-{step}.json")
        (self.partial / f"state-{step - 1}.safetensors").unlink(missing_ok=True)
        best = max(epoch.validation_srcc for epoch in learned.history)
        log.info(
            "%s: %s learned in %.0f s, scored in %.0f s, validation SRCC %.3f",
            self.folder.name, task.name, learning, scoring, best,
        )  # fmt: skip

    def _tests(self) -> list[ImageSet]:
        tasks = sorted(self.tasks, key=lambda task: task.name)
        return [self.context.images(task, "test").images for task in tasks]

    def _time_all_heads(self) -> float:
        """Return the seconds to score the last task's test images with all heads."""
        images = self.context.images(self.tasks[-1], "test").images
        self.strategy.model.read(images, gate=False)  # whatever is prepared at first use
        start = time.perf_counter()
        self.strategy.model.read(images, gate=False)
        return time.perf_counter() - start

    def _write_record(self, steps: list[int]) -> RunRecord:
        contents = [json.loads((self.partial / f"step-{step}.json").read_text()) for step in steps]
        arrays = [load_arrays(self.partial / f"step-{step}.safetensors") for step in steps]
        timings = {name: s for content in contents for name, s in content["timings"].items()}
        distances = [self.strategy.model.read(images, ())[1] for images in self._tests()]
        tasks = sorted(self.tasks, key=lambda task: task.name)
        record = RunRecord(
            self._describe(timings | {"all heads": self._time_all_heads()}),
            scores=np.concatenate([array["scores"] for array in arrays]),
            events=[HeadEvent(*event) for content in contents for event in content["events"]],
            test_images={task.name: task.part("test")["image"].tolist() for task in tasks},
            history=_history(epoch for content in contents for epoch in content["history"]),
            distances=np.concatenate(distances) if self.strategy.gated else None,
        )
        mos = np.concatenate([task.mos("test") for task in tasks])
        if record.simulated:
            record.mos = mos
        else:
            record.correlations = correlation_table(record, mos)
            record.draws = draw_table(record, mos)
        return self._publish(record)

    def _publish(self, record: RunRecord) -> RunRecord:
        """Write the record among the unfinished steps, then move it to its place at once."""
        new = self.partial / "record"  # deeper than where finished records are looked for
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir()
        record.save(new, self.folder.parent / "shared")
        self.strategy.save(new / "model")
        new.rename(self.folder)
        shutil.rmtree(self.partial)
        record.folder = self.folder
        return record

    def _describe(self, timings: dict[str, float]) -> RecordDescription:
        resolved, strategy = self.resolved, self.strategy
        card = resolved.card
        return RecordDescription(
            results_version=RESULTS_VERSION,
            run_id=resolved.run_id,
            config=resolved.config,
            preset=resolved.preset,
            backbone=card.model_copy(update={"weights": Path(card.weights).name}),
            gated=strategy.gated,
            order_dependent=strategy.order_dependent,
            all_at_once=strategy.all_at_once,
            tasks=[_task_info(task) for task in self.tasks],
            parameters=strategy.parameters(),
            timings=timings,
            device=_device_name(self.context.backbone.device),
            versions=_versions(),
            commit=_commit(),
            fingerprints=self.fingerprints | {"filters after": strategy.filters_fingerprint()},
        )


def _history(epochs: Iterable[Mapping[str, object]]) -> pd.DataFrame:
    """Lay epochs out as a record's history, in the precision that it keeps."""
    table = pd.DataFrame(list(epochs), columns=list(HISTORY)).astype({"loss": "float64"})
    return table.astype({k: v for k, v in HISTORY.items() if k not in ("task", "step")})


def _task_info(task: Task) -> TaskInfo:
    return TaskInfo(
        name=task.name,
        citation=task.citation,
        licence=task.licence,
        mos_range=task.mos_range,
        simulated=task.simulated,
        images={part: len(task.part(part)) for part in ("train", "val", "test")},
        fingerprint=task.fingerprint(),
    )


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU ({platform.machine()}, {torch.get_num_threads()} threads)"


def _versions() -> dict[str, str]:
    libraries = [
        "tsniqa",
        "torch",
        "torchvision",
        "timm",
        "numpy",
        "scipy",
        "scikit-learn",
        "pillow",
    ]
    return {"python": platform.python_version(), **{name: version(name) for name in libraries}}


def _commit() -> str | None:
    command = ["git", "-C", str(project_root()), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None

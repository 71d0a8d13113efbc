"""The study loop: one configuration in, one run record out; resumable after every task."""

import json
import logging
import platform
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock, Timeout
from safetensors.numpy import load_file as load_arrays
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import load_file, save_file

from tsniqa.data.cache import decode_tasks
from tsniqa.data.images import ImageSet
from tsniqa.data.task import Task
from tsniqa.paths import project_root
from tsniqa.runtime import reproducible
from tsniqa.study import evaluation as tables
from tsniqa.study.planning import Plan, prepare
from tsniqa.study.record import (
    RESULTS_VERSION,
    HeadEvent,
    RecordDescription,
    RunConfig,
    RunRecord,
    TaskInfo,
)
from tsniqa.training.trainer import Epoch

log = logging.getLogger("tsniqa")


def run(config: RunConfig, data_root: Path, results_dir: Path, device: str = "auto") -> RunRecord:
    """Run a configuration, or return its record if it is already there.

    Every image is decoded before the first task is learned, so that a broken one costs no epoch.
    An interrupted run continues after its last finished task; the record appears at once, whole.
    A second process that is given the same run waits for the first.

    Args:
        config: What to run.
        data_root: Folder of datasets in the generic layout.
        results_dir: Folder of record folders.
        device: ``"auto"``, or a torch device name.

    Returns:
        The finished record.

    Raises:
        TsniqaError: See :func:`tsniqa.study.planning.prepare`.
    """
    plan = prepare(config, data_root, device, results_dir.parent / "features")
    folder = results_dir / plan.run_id
    if (folder / "record.json").is_file():
        return RunRecord.load(folder)
    with _turn(folder):
        if (folder / "record.json").is_file():  # the other process has finished it
            return RunRecord.load(folder)
        decode_tasks(plan.tasks, plan.decoded)
        with reproducible(plan.preset.threads):
            return _Run(plan, folder).finish()


@contextmanager
def _turn(folder: Path) -> Iterator[None]:
    """Hold a run's lock, so that two processes do not write the same steps."""
    locks = folder.parents[1] / "locks"
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

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan = plan
        self.folder = folder
        self.partial = folder.with_name(folder.name + ".partial")
        self.partial.mkdir(parents=True, exist_ok=True)

    def finish(self) -> RunRecord:
        """Do the steps that are missing, then write the record."""
        plan = self.plan
        last = len(plan.tasks) - 1
        steps = [last] if plan.strategy.all_at_once else list(range(last + 1))
        done = [step for step in steps if (self.partial / f"step-{step}.json").is_file()]
        if done:
            log.info("%s: continuing after %d finished steps", plan.run_id, len(done))
            plan.strategy.load_state(load_file(self.partial / f"state-{done[-1]}.safetensors"))
        for step in steps[len(done) :]:
            self._do(step)
        return self._write_record(steps)

    def _do(self, step: int) -> None:
        """Learn one task, score all test images, and put both on disk."""
        plan, task = self.plan, self.plan.tasks[step]
        start = time.perf_counter()
        learned = plan.strategy.learn(task, plan.tasks[:step])
        learning = time.perf_counter() - start
        start = time.perf_counter()
        names = sorted(learned.offsets)
        scores = np.concatenate(
            [plan.strategy.model.read(images, names, gate=False)[0] for images in self._tests()]
        )
        scoring = time.perf_counter() - start
        content = {
            "history": [epoch.model_dump() for epoch in learned.history],
            "events": [
                {"step": step, "head": name, "offset": learned.offsets[name]} for name in names
            ],
            "seconds": {"learning": learning, "scoring": scoring},
        }
        save_file(
            {name: value.contiguous() for name, value in plan.strategy.state().items()},
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
            plan.run_id, task.name, learning, scoring, best,
        )  # fmt: skip

    def _tests(self) -> list[ImageSet]:
        tasks = sorted(self.plan.tasks, key=lambda task: task.name)
        return [self.plan.context.images(task, "test").images for task in tasks]

    def _time_all_heads(self) -> float:
        """Return the seconds to score the last task's test images with all heads."""
        images = self.plan.context.images(self.plan.tasks[-1], "test").images
        self.plan.strategy.model.read(
            images, gate=False
        )  # whatever is loaded or prepared at first use
        start = time.perf_counter()
        self.plan.strategy.model.read(images, gate=False)
        return time.perf_counter() - start

    def _write_record(self, steps: list[int]) -> RunRecord:
        plan = self.plan
        contents = [json.loads((self.partial / f"step-{step}.json").read_text()) for step in steps]
        arrays = [load_arrays(self.partial / f"step-{step}.safetensors") for step in steps]
        distances = [plan.strategy.model.read(images, ())[1] for images in self._tests()]
        gated = plan.strategy.gated
        description = self._describe(steps, contents)
        record = RunRecord(
            description,
            scores=np.concatenate([array["scores"] for array in arrays]),
            distances=np.concatenate(distances) if gated else None,
        )
        tasks = sorted(plan.tasks, key=lambda task: task.name)
        mos = np.concatenate([task.mos("test") for task in tasks])
        record.correlations = tables.correlation_table(record, mos)
        if all(task.simulated for task in plan.tasks):
            record.mos = mos
        else:
            record.draws = tables.bootstrap_table(record, mos)
        return self._publish(record)

    def _publish(self, record: RunRecord) -> RunRecord:
        """Write the record among the unfinished steps, then move it to its place at once."""
        new = self.partial / "record"  # deeper than where finished records are looked for
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir()
        record.save(new)
        self.plan.strategy.save(new / "model")
        new.rename(self.folder)
        shutil.rmtree(self.partial)
        record.folder = self.folder
        return record

    def _describe(self, steps: list[int], contents: list[dict]) -> RecordDescription:
        plan = self.plan
        names = [plan.tasks[step].name for step in steps]
        timings = {
            f"{kind} {name}": content["seconds"][kind]
            for name, content in zip(names, contents, strict=True)
            for kind in ("learning", "scoring")
        }
        return RecordDescription(
            results_version=RESULTS_VERSION,
            run_id=plan.run_id,
            config=plan.config,
            preset=plan.preset,
            backbone=plan.card.model_copy(update={"weights": Path(plan.card.weights).name}),
            gated=plan.strategy.gated,
            drifting=plan.strategy.order_dependent,
            all_at_once=plan.strategy.all_at_once,
            tasks=[_task_info(task) for task in plan.tasks],
            test_images={
                task.name: task.part("test")["image"].tolist()
                for task in sorted(plan.tasks, key=lambda task: task.name)
            },
            events=[HeadEvent(**event) for content in contents for event in content["events"]],
            history={
                name: [Epoch(**epoch) for epoch in content["history"]]
                for name, content in zip(names, contents, strict=True)
            },
            parameters=plan.strategy.parameters(),
            timings=timings | {"all heads": self._time_all_heads()},
            device=_device_name(plan.context.backbone.device),
            versions=_versions(),
            commit=_commit(),
            fingerprints={
                **plan.fingerprints, "filters after": plan.strategy.filters_fingerprint()
            },
        )  # fmt: skip


def _task_info(task: Task) -> TaskInfo:
    return TaskInfo(
        name=task.name,
        description=task.description,
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
    packages = (
        "tsniqa",
        "torch",
        "torchvision",
        "timm",
        "numpy",
        "scipy",
        "scikit-learn",
        "pillow",
    )
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}


def _commit() -> str | None:
    command = ["git", "-C", str(project_root()), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None

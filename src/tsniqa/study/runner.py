"""The study loop: one configuration in, one run record out; resumable after every task."""

import json
import logging
import platform
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from safetensors import safe_open
from safetensors.torch import save

from tsniqa.data.cache import DecodedCache, decode_tasks
from tsniqa.data.task import Task, shared_images
from tsniqa.errors import RecordError, one_line
from tsniqa.model.backbone import load_backbone
from tsniqa.model.normalization import everything
from tsniqa.model.tsniqa import Reading
from tsniqa.paths import cache_folder, code_digest, project_root, written_whole
from tsniqa.runtime import instruction_sets, reproducible
from tsniqa.scoring.profiling import profile_task
from tsniqa.storage import fingerprint, grouped, upper_triangle
from tsniqa.strategies import find_strategy
from tsniqa.study.bootstrap import draw_table
from tsniqa.study.config import RESULTS_VERSION, Preset, ResolvedRun, RunConfig, resolve_run
from tsniqa.study.evaluation import correlation_table
from tsniqa.study.record import DAMAGE, HISTORY, HeadEvent, RecordDescription, RunRecord, TaskInfo
from tsniqa.study.turns import clear, partial_folder, turn
from tsniqa.training.context import TrainingContext

log = logging.getLogger("tsniqa")

LIBRARIES = ("tsniqa", "torch", "torchvision", "timm", "numpy", "scipy", "scikit-learn", "pillow")


def run(
    config: RunConfig,
    data_root: Path,
    results_dir: Path,
    device: str = "auto",
    before_task: Callable[[int], None] | None = None,
    fresh: bool = False,
    preset: Preset | None = None,
) -> RunRecord:
    """Run a configuration, or return its record if it is already there.

    A record of other code than this is named in a line; steps of an interrupted run that other code
    has made are made again.

    Every image is decoded before the first task is learned, so that a broken one costs no epoch.
    An interrupted run continues after its last finished task. A second process waits for the first.

    Args:
        config: What to run.
        data_root: Folder of datasets.
        results_dir: Folder of record folders; locks and what runs share lie in it, too.
        device: ``"auto"``, or a torch device name.
        before_task: Called with the number of training images of every task that is about to be
            learned (of all together, where they are learned at once). What it raises interrupts
            the run.
        fresh: Compute a finished run again; the old record stays until the new one is whole.
        preset: In place of the one that is named, with its overrides.

    Raises:
        TsniqaError: See :func:`tsniqa.study.config.resolve_run`; or the weights are unusable.
    """
    resolved = resolve_run(config, data_root, device, preset)
    folder = results_dir / resolved.run_id
    if found := _finished(folder, fresh):
        clear(folder)
        return found
    context = training_context(resolved, results_dir / "features")
    with turn(folder):
        if found := _finished(folder, fresh):  # the other process has made it
            return found
        decode_tasks(resolved.tasks, context.decoded)
        with reproducible(resolved.preset.threads):
            log.info("%s: learning %d tasks", resolved.run_id, len(resolved.tasks))
            for line in shared_images(resolved.tasks):
                log.warning("%s: %s", resolved.run_id, line)
            return _Run(resolved, context, folder).finish(before_task)


def _finished(folder: Path, fresh: bool) -> RunRecord | None:
    """Return a run's record, if there is one and it is wanted; say if other code has made it."""
    if fresh or not (folder / "record.json").is_file():
        return None
    record = RunRecord.load(folder)
    if record.description.code not in ("", code_digest()):
        log.warning("%s: made by other code than this; --fresh computes it again", folder.name)
    return record


def training_context(resolved: ResolvedRun, feature_cache: Path | None = None) -> TrainingContext:
    """Load a run's backbone and put together what its strategy may use.

    Runs share features in ``feature_cache``. A WeightsError says that the weights are unusable.
    """
    preset, config = resolved.preset, resolved.config
    return TrainingContext(
        load_backbone(resolved.card, resolved.device),
        preset.schedule.at_rate(preset.rates.get(config.strategy)),
        preset.gate,
        config.seed,
        preset.image_side,
        weight=preset.weights.get(config.strategy),
        importance=preset.importance,
        memory=preset.memory,
        feature_cache=feature_cache,
        decoded=DecodedCache(cache_folder("decoded"), preset.image_side),
    )


class _Run:
    """An unfinished run, and the file from which it goes on after its last learned task."""

    def __init__(self, resolved: ResolvedRun, context: TrainingContext, folder: Path) -> None:
        self.resolved, self.context, self.folder = resolved, context, folder
        self.strategy = find_strategy(resolved.config.strategy)(context)
        self.strategy.model.readout = resolved.preset.readout
        self.tasks = resolved.tasks
        self.in_name_order = sorted(self.tasks, key=lambda task: task.name)
        self.fingerprints = {
            "backbone": fingerprint(dict(context.backbone.network.state_dict())),
            "filters before": context.backbone.filters_fingerprint(),
        }
        # Not so where a strategy has a network, or parts of one, of its own.
        reference = fingerprint(everything(context.backbone.network))
        self.on_reference = self.strategy.model.fingerprint() == reference
        self.partial = partial_folder(folder)
        self.partial.mkdir(parents=True, exist_ok=True)

    def finish(self, before_task: Callable[[int], None] | None = None) -> RunRecord:
        """Learn the tasks that are missing, then write the record."""
        last = len(self.tasks) - 1
        steps = [last] if self.strategy.all_at_once else list(range(last + 1))
        done: list[dict[str, Any]] = []
        progress = self.partial / "progress.safetensors"
        if progress.is_file():
            done = self._continue(progress)
            if done:
                log.info("%s: continuing after %d finished steps", self.folder.name, len(done))
        for step in steps[len(done) :]:
            if before_task is not None:
                learned = self.tasks if self.strategy.all_at_once else [self.tasks[step]]
                before_task(sum(len(task.part("train")) for task in learned))
            done.append(self._learn(step))
            tensors = {f"state/{name}": value for name, value in self.strategy.state().items()}
            tensors |= {f"scores/{i}": part["scores"] for i, part in enumerate(done)}
            facts = [{k: v for k, v in part.items() if k != "scores"} for part in done]
            metadata = {"done": json.dumps(facts), "made by": self._made_by()}
            with written_whole(progress) as unfinished:
                unfinished.write_bytes(save(tensors, metadata))
        return self._write_record(done)

    def _continue(self, progress: Path) -> list[dict[str, Any]]:
        """Bring the strategy to where an interrupted run had come, and return what it had done."""
        try:
            with safe_open(progress, "pt") as file:
                if file.metadata().get("made by") != self._made_by():
                    log.warning(
                        "%s: its steps were made by other code, libraries or on another device;"
                        " beginning anew", self.folder.name,
                    )  # fmt: skip
                    return []
                done = json.loads(file.metadata()["done"])
                stored = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            parts = grouped(stored)
            self.strategy.load_state(parts["state"])
            return [part | {"scores": parts["scores"][str(i)]} for i, part in enumerate(done)]
        except (*DAMAGE, OSError) as error:
            raise RecordError(
                f"the steps in {progress} are damaged ({one_line(error)}); delete {self.partial}"
                " and run again"
            ) from error

    def _made_by(self) -> str:
        """Say what the last bits of steps depend on: steps of two kinds make no run."""
        return json.dumps([code_digest(), _device_name(self.context.backbone.device), _versions()])

    def _learn(self, step: int) -> dict[str, Any]:
        """Learn one task, then score all test images with the heads whose scores changed."""
        task = self.tasks[step]
        start = time.perf_counter()
        learned = self.strategy.learn(task, self.tasks[:step])
        learning = time.perf_counter() - start
        start = time.perf_counter()
        names = sorted(learned.levels)
        scores = np.concatenate([self._read(one, names).heads for one in self.in_name_order])
        scoring = time.perf_counter() - start
        reached = learned.history[-1].validation_srcc
        log.info(
            "%s: %s learned in %.0f s, scored in %.0f s, validation SRCC %.3f",
            self.folder.name, task.name, learning, scoring, reached,
        )  # fmt: skip
        return {
            "history": [{"task": task.name, **epoch.model_dump()} for epoch in learned.history],
            "events": [(step, name, *learned.levels[name]) for name in names],
            "scores": torch.from_numpy(np.ascontiguousarray(scores.T)),
            "timings": {f"learning {task.name}": learning, f"scoring {task.name}": scoring},
        }

    def _read(
        self, task: Task, names: Sequence[str], gate: bool = False, part: str = "test"
    ) -> Reading:
        """Score a task's images with some heads; what the reference says of them is kept."""
        model, known = self.strategy.model, None
        if self.on_reference and (gate or None in map(model.owner, names)):
            known = self.context.reference_features(task, part)
        return model.read(self.context.images(task, part).images, names, gate, known)

    def _time_all_heads(self) -> float:
        """Return the seconds to score the last task's test images with all heads."""
        images = self.context.images(self.tasks[-1], "test").images
        self.strategy.model.read([images[0]], gate=False)  # whatever is prepared at first use
        start = time.perf_counter()
        self.strategy.model.read(images, gate=False)
        return time.perf_counter() - start

    def _write_record(self, done: list[dict[str, Any]]) -> RunRecord:
        timings = {name: seconds for part in done for name, seconds in part["timings"].items()}
        epochs = [epoch for part in done for epoch in part["history"]]
        numbers = {name: HISTORY[name] for name in ("epoch", "loss", "validation_srcc")}
        tests = {task.name: task.part("test") for task in self.in_name_order}
        contents = [pd.factorize(part["reference"].astype(str))[0] for part in tests.values()]
        record = RunRecord(
            self._describe(timings | {"all heads": self._time_all_heads()}),
            scores=torch.cat([part["scores"] for part in done]).numpy(),
            events=[HeadEvent(*event) for part in done for event in part["events"]],
            test_images={name: part["image"].tolist() for name, part in tests.items()},
            references=np.concatenate(contents).astype(np.int32),
            history=pd.DataFrame(epochs, columns=list(HISTORY)).astype(numbers),
        )
        if self.strategy.gated:
            model = self.strategy.model
            _, distances, features = zip(
                *(self._read(task, (), gate=True) for task in self.in_name_order), strict=True
            )
            record.distances = np.concatenate(distances)
            record.gate_features = np.concatenate(features).astype(np.float16)
            sums = [upper_triangle(model.analytic.sums_[name]) for name in record.names]
            record.gate_sums = np.stack(sums).astype(np.float32)
            for task in self.tasks:
                own = self._read(task, [task.name], gate=True, part="val")
                model.profiles[task.name] = profile_task(model, task, own)
        mos = np.concatenate([task.mos("test") for task in self.in_name_order])
        if record.simulated:
            record.mos = mos
        else:
            record.correlations = correlation_table(record, mos)
            record.draws = draw_table(record, mos)
        # It is written deeper than finished records are looked for, and appears at once.
        new = self.partial / "record"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir()
        record.save(new, self.folder.parent / "shared")
        self.strategy.save(new / "model")
        if self.folder.exists():
            self.folder.rename(self.partial / "replaced")
        new.rename(self.folder)
        shutil.rmtree(self.partial)
        record.folder = self.folder
        return record

    def _describe(self, timings: dict[str, float]) -> RecordDescription:
        resolved, strategy = self.resolved, self.strategy
        return RecordDescription(
            results_version=RESULTS_VERSION,
            run_id=resolved.run_id,
            config=resolved.config,
            preset=resolved.preset,
            backbone=resolved.card.published(),
            gated=strategy.gated,
            order_dependent=strategy.order_dependent,
            all_at_once=strategy.all_at_once,
            tasks=[TaskInfo.of(task) for task in self.tasks],
            parameters=strategy.parameters(),
            timings=timings,
            device=_device_name(self.context.backbone.device),
            versions=_versions(),
            commit=_commit(),
            code=code_digest(),
            fingerprints=self.fingerprints | {"filters after": strategy.filters_fingerprint()},
        )


def _versions() -> dict[str, str]:
    return {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}}


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"CPU ({platform.machine()}, {instruction_sets()}, {threads} thread(s))"


def _commit() -> str | None:
    command = ["git", "-C", str(project_root()), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, check=True).stdout.decode().strip()
    except (OSError, subprocess.CalledProcessError):
        return None

"""Sweeps over stated configurations, judged on validation images alone.

A candidate learns each task alone and is judged by the validation SRCC it reached; or all tasks in
order, as what trades keeping for learning must, and is judged by all validation images at the end
(a learner in the field could not look back at them; all strategies are given it alike).

On a re-split, which no run of the study may use, the test images judge together with the
validation images: of few images a third is a better judge than a tenth.
"""

import logging
import time
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from tsniqa.data.cache import decode_tasks
from tsniqa.data.task import Task
from tsniqa.errors import ConfigError, RecordError, invalid_content, one_line
from tsniqa.metrics import srcc
from tsniqa.model.readouts import mix
from tsniqa.model.tsniqa import SHARED
from tsniqa.paths import code_digest, written_whole
from tsniqa.runtime import reproducible
from tsniqa.strategies import Strategy, find_strategy
from tsniqa.study.config import ResolvedRun, load_preset, resolve_run, run_config
from tsniqa.study.evaluation import meant_readout
from tsniqa.study.runner import training_context
from tsniqa.training.context import TrainingContext

log = logging.getLogger("tsniqa")

# What a candidate that learns each task alone is judged by, in place of a readout.
FIRST_STEP, BOTH_STEPS = "first step", "both steps"


class Candidate(BaseModel):
    """A strategy, a backbone card and preset values."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    strategy: str = "tsn"
    backbone: str | None = None
    overrides: dict[str, Any] = {}


class Sweep(BaseModel):
    """The content of a sweep file (YAML)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    preset: str  #: which the candidates change
    tasks: tuple[str, ...] | None = None  #: in the order they are learned; None: the preset's
    each_task_alone: bool = False  #: whether every task is learned from the initial network
    seed: int = 0
    split: str = "given"  #: or the number of a re-split, all of whose held-out images judge
    candidates: tuple[Candidate, ...] = ()
    remark: str = ""  #: what a reader must know of how the sweep came about

    def order(self) -> tuple[str, ...]:
        """Return the tasks in the order they are learned."""
        return load_preset(self.preset).tasks if self.tasks is None else self.tasks


class Trial(BaseModel):
    """What one candidate reached; found again by the identity of its run, ``run_id``."""

    model_config = ConfigDict(ser_json_inf_nan="constants")

    candidate: str
    tasks: tuple[str, ...]
    run_id: str
    code: str = ""  #: digest of the code that tried it, see :func:`tsniqa.paths.code_digest`
    #: For each readout the validation SRCC of every task: after the last task; or, learned alone,
    #: that after FIRST_STEP and after BOTH_STEPS.
    srcc: dict[str, dict[str, float]]
    seconds: float


class SweepRecord(BaseModel):
    """A sweep and its trials so far: the content of a sweep record (JSON)."""

    sweep: Sweep
    trials: list[Trial] = []

    def save(self, path: Path) -> None:
        """Write the record, a trial on each line."""
        sweep = self.sweep.model_dump_json()
        trials = ",\n".join(trial.model_dump_json() for trial in self.trials)
        with written_whole(path) as partial:
            text = f'{{"sweep": {sweep},\n"trials": [\n{trials}]}}\n'
            partial.write_text(text, encoding="utf-8")


def load_sweep(path: Path) -> Sweep:
    """Read a sweep file.

    Raises:
        ConfigError: It is missing or not valid, a name is unknown, or a strategy has no weight.
    """
    try:
        sweep = Sweep.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ConfigError(f"no sweep file at {path}; see data/searches/mini-rates.yml") from error
    except ValidationError as error:
        raise invalid_content(f"{path} is not a valid sweep file", error) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not a valid sweep file: {one_line(error)}") from error
    sweep.order()
    candidates = sweep.candidates
    for candidate in candidates:
        find_strategy(candidate.strategy)
    if not candidates or len({one.name for one in candidates}) < len(candidates):
        raise ConfigError(f"{path}: name at least one candidate, and each by a name of its own")
    return sweep


def load_sweep_record(path: Path) -> SweepRecord:
    """Read a sweep record; a RecordError says that it is missing or unreadable."""
    try:
        return SweepRecord.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise RecordError(f"no readable sweep record at {path}; run the sweep first") from error


def run_sweep(sweep: Sweep, data_root: Path, record_path: Path, cache: Path) -> SweepRecord:
    """Try every candidate; a trial in the record is not repeated, unless it was of other settings.

    All candidates are resolved before the first is tried: a mistake in the last costs no hours. A
    warning names what other code has tried.

    Args:
        sweep: What to try.
        data_root: Folder of datasets.
        record_path: JSON file, rewritten after every trial.
        cache: Folder for features that trials share.

    Raises:
        TsniqaError: A candidate names something unknown, or data or weights are unusable.
    """
    known = load_sweep_record(record_path).trials if record_path.is_file() else []
    alike = [trial for trial in known if (BOTH_STEPS in trial.srcc) == sweep.each_task_alone]
    trials, wanted = {trial.run_id: trial for trial in alike}, []
    for candidate, resolved in _planned(sweep, data_root):
        if resolved.run_id not in trials:
            trials[resolved.run_id] = _try(sweep, candidate, resolved, cache)
            SweepRecord(sweep=sweep, trials=list(trials.values())).save(record_path)
        trial = trials[resolved.run_id]
        if trial.code not in ("", code_digest()):
            log.warning("%s: tried by other code; a new record tries it again", candidate.name)
        wanted.append(trial.model_copy(update={"candidate": candidate.name}))
    record = SweepRecord(sweep=sweep, trials=wanted)
    record.save(record_path)
    return record


def _planned(sweep: Sweep, data_root: Path) -> list[tuple[Candidate, ResolvedRun]]:
    """Return what is to be tried, candidate by candidate."""
    streams = [(task,) for task in sweep.order()] if sweep.each_task_alone else [sweep.order()]
    planned = []
    for candidate, stream in product(sweep.candidates, streams):
        fields = candidate.model_dump(include={"strategy", "backbone", "overrides"})
        own = {"preset": sweep.preset, "seed": sweep.seed, "split": sweep.split}
        resolved = resolve_run(run_config(task_order=stream, **own, **fields), data_root)
        if sweep.split != "given":
            resolved = replace(resolved, tasks=tuple(map(judged_by_all, resolved.tasks)))
        planned.append((candidate, resolved))
    return planned


def judged_by_all(task: Task) -> Task:
    """Return a task whose validation images are all that are not learned from."""
    parts = task.table["split"].replace("test", "val")
    return replace(task, table=task.table.assign(split=parts))


def _try(sweep: Sweep, candidate: Candidate, resolved: ResolvedRun, cache: Path) -> Trial:
    context, tasks = training_context(resolved, cache), resolved.tasks
    decode_tasks(tasks, context.decoded)
    strategy = find_strategy(candidate.strategy)(context)
    start = time.perf_counter()
    with reproducible(resolved.preset.threads):
        for step in [len(tasks) - 1] if strategy.all_at_once else range(len(tasks)):
            history = strategy.learn(tasks[step], tasks[:step]).history
        seconds = time.perf_counter() - start
        if sweep.each_task_alone:
            first = [epoch.validation_srcc for epoch in history if epoch.step == "head"][-1]
            both = history[-1].validation_srcc
            found = {FIRST_STEP: {tasks[0].name: first}, BOTH_STEPS: {tasks[0].name: both}}
        else:
            found = validation_srcc(strategy, context, resolved)
    means = ", ".join(f"{name} {np.mean(list(own.values())):.3f}" for name, own in found.items())
    log.info("%s on %s: %s", candidate.name, ", ".join(t.name for t in tasks), means)
    return Trial(
        candidate=candidate.name,
        tasks=tuple(task.name for task in tasks),
        run_id=resolved.run_id,
        code=code_digest(),
        srcc=found,
        seconds=seconds,
    )


def validation_srcc(
    strategy: Strategy, context: TrainingContext, resolved: ResolvedRun
) -> dict[str, dict[str, float]]:
    """Correlate final scores with opinion scores on the validation images of every task.

    Returns:
        SRCC by readout and task: the strategy's main readout and, with one head per task, also
        ``gated``, ``calibrated``, ``latest`` and ``oracle``. NaN where scores are constant, or
        learning diverged.
    """
    more = ("gated", "calibrated", "latest", "oracle") if strategy.gated else ()
    main = meant_readout(strategy.main_readout, resolved.preset)
    found: dict[str, dict[str, float]] = {one: {} for one in (main, *more)}
    model = strategy.model
    for task in resolved.tasks:
        images, mos, *_ = context.images(task, "val")
        reading = model.read(images)
        of = dict(zip(model.tasks, reading.heads.T.astype(np.float64), strict=True))
        latest = of.get(resolved.tasks[-1].name)
        picked = {"oracle": of.get(task.name), "latest": latest, "single": of.get(SHARED)}
        for readout in found:
            if readout in picked:
                scores = picked[readout]
            elif readout == "half":
                scores = (mix(reading.heads, *model.mixture(reading, "gated")) + latest) / 2
            else:
                scores = mix(reading.heads, *model.mixture(reading, readout))
            known = np.isfinite(scores).all()
            found[readout][task.name] = srcc(scores, mos.double().numpy()) if known else np.nan
    return found

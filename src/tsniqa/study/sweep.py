"""Sweeps over stated configurations, judged on validation images alone.

No test image is scored, so a choice made here leaves the test sets untouched. A candidate may learn
each task alone, from the initial network, and is then judged by the validation SRCC it reached; or
all tasks in order, as what trades keeping for learning must, and is then judged by the validation
images of all tasks at the end. The latter looks back at validation images of earlier tasks, which a
learner in the field could not; all strategies are given it alike.
"""

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict, PositiveFloat, ValidationError, field_validator

from tsniqa.data.cache import decode_tasks
from tsniqa.errors import ConfigError, RecordError, invalid_content
from tsniqa.metrics import srcc
from tsniqa.model.readouts import mix
from tsniqa.runtime import reproducible
from tsniqa.strategies import Strategy, find_strategy
from tsniqa.study.config import ResolvedRun, load_preset, resolve_run, run_config
from tsniqa.study.runner import training_context
from tsniqa.training.context import TrainingContext
from tsniqa.training.trainer import Epoch

log = logging.getLogger("tsniqa")

FIRST_STEP, BOTH_STEPS = "first step", "both steps"
"""What a candidate that learns each task alone is judged by, in place of a readout."""


class Candidate(BaseModel):
    """One configuration.

    Attributes:
        name: What the book calls it.
        strategy: Name of the strategy.
        backbone: Another backbone card, or None.
        overrides: Preset values it changes.
        factor: What the strategy's published main weight is multiplied by; None if it is not.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    strategy: str = "tsn"
    backbone: str | None = None
    overrides: dict[str, Any] = {}
    factor: PositiveFloat | None = None


class Sweep(BaseModel):
    """The content of a sweep file (YAML).

    Attributes:
        preset: The preset that the candidates change.
        tasks: The tasks in the order they are learned; None is the preset's.
        each_task_alone: Whether every task is learned alone, from the initial network.
        seed: The seed of all candidates.
        candidates: What is tried, in this order.
        strategies: Names of strategies whose main weight is tried, with every one of the factors.
        factors: What the published weight of every one of these strategies is multiplied by.
        remark: What a reader must know of how the sweep came about.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    preset: str
    tasks: tuple[str, ...] | None = None
    each_task_alone: bool = False
    seed: int = 0
    candidates: tuple[Candidate, ...] = ()
    strategies: tuple[str, ...] = ()
    factors: tuple[PositiveFloat, ...] = ()
    remark: str = ""

    @field_validator("strategies", "factors")
    @classmethod
    def _once(cls, values: tuple) -> tuple:
        if len(set(values)) < len(values):
            raise ValueError("name each once")
        return values

    def order(self) -> tuple[str, ...]:
        """Return the tasks in the order they are learned."""
        return load_preset(self.preset).tasks if self.tasks is None else self.tasks

    def all_candidates(self) -> list[Candidate]:
        """Return the candidates, those of strategies and factors written out."""
        weighted = []
        for name in self.strategies:
            for factor in self.factors:
                weight = float(f"{find_strategy(name).default_weight * factor:.12g}")
                changed = {"weights": {name: weight}}
                fields = {"strategy": name, "overrides": changed, "factor": factor}
                weighted.append(Candidate(name=f"{name}, weight {weight:g}", **fields))
        return [*self.candidates, *weighted]


class Trial(BaseModel):
    """What one candidate reached on the tasks of one stream.

    Attributes:
        candidate: The candidate's name.
        tasks: What it learned, in this order.
        run_id: Identity of the run it was a trial of; a trial of another is not valid any more.
        srcc: For each readout the validation SRCC of every task: after the last task; or, learned
            alone, the best of :data:`FIRST_STEP` and of :data:`BOTH_STEPS`.
        curve: Validation SRCC on the last task before and after every epoch of its second step.
        seconds: Time to learn.
    """

    model_config = ConfigDict(ser_json_inf_nan="constants")

    candidate: str
    tasks: tuple[str, ...]
    run_id: str
    srcc: dict[str, dict[str, float]]
    curve: list[float]
    seconds: float


class SweepRecord(BaseModel):
    """A sweep and its trials so far: the content of a sweep record (JSON)."""

    sweep: Sweep
    trials: list[Trial] = []


def load_sweep(path: Path) -> Sweep:
    """Read a sweep file.

    Raises:
        ConfigError: It is missing or not valid, a name is unknown, or a strategy has no weight.
    """
    try:
        sweep = Sweep.model_validate(yaml.safe_load(path.read_text()))
    except OSError as error:
        raise ConfigError(f"no sweep file at {path}; see data/searches/mini.yml") from error
    except ValidationError as error:
        raise invalid_content(f"{path} is not a valid sweep file", error) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"{path} is not a valid sweep file: {reason}") from error
    sweep.order()
    for name in sweep.strategies:
        if find_strategy(name).default_weight is None:
            raise ConfigError(f"{path}: strategy '{name}' has no main weight; leave it out")
    names = [candidate.name for candidate in sweep.all_candidates()]
    for candidate in sweep.candidates:
        find_strategy(candidate.strategy)
    if not names or len(set(names)) < len(names):
        raise ConfigError(f"{path}: name at least one candidate, and each by a name of its own")
    return sweep


def load_sweep_record(path: Path) -> SweepRecord:
    """Read a sweep record.

    Raises:
        RecordError: It is missing or unreadable.
    """
    try:
        return SweepRecord.model_validate_json(path.read_text())
    except (OSError, ValidationError) as error:
        raise RecordError(f"no readable sweep record at {path}; run the sweep first") from error


def run_sweep(sweep: Sweep, data_root: Path, record_path: Path, cache: Path) -> SweepRecord:
    """Try every candidate; trials in the record are not repeated as long as they are valid.

    Args:
        sweep: What to try.
        data_root: Folder of datasets in the generic layout.
        record_path: JSON file, rewritten after every trial.
        cache: Folder for features that trials share.

    Raises:
        TsniqaError: A candidate names something unknown, or data or weights are unusable.
    """
    known = load_sweep_record(record_path).trials if record_path.is_file() else []
    trials, wanted = {trial.run_id: trial for trial in known}, []
    streams = [(task,) for task in sweep.order()] if sweep.each_task_alone else [sweep.order()]
    for candidate in sweep.all_candidates():
        for stream in streams:
            config = run_config(
                preset=sweep.preset,
                strategy=candidate.strategy,
                task_order=stream,
                seed=sweep.seed,
                backbone=candidate.backbone,
                overrides=candidate.overrides,
            )
            resolved = resolve_run(config, data_root)
            if resolved.run_id not in trials:
                trials[resolved.run_id] = _try(sweep, candidate, resolved, cache)
                _write(SweepRecord(sweep=sweep, trials=list(trials.values())), record_path)
            trial = trials[resolved.run_id]
            wanted.append(trial.model_copy(update={"candidate": candidate.name}))
    record = SweepRecord(sweep=sweep, trials=wanted)
    _write(record, record_path)
    return record


def _write(record: SweepRecord, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    trials = ",\n".join(trial.model_dump_json() for trial in record.trials)
    partial.write_text(f'{{"sweep": {record.sweep.model_dump_json()},\n"trials": [\n{trials}]}}\n')
    partial.replace(path)


def _try(sweep: Sweep, candidate: Candidate, resolved: ResolvedRun, cache: Path) -> Trial:
    context = training_context(resolved, cache)
    decode_tasks(resolved.tasks, context.decoded)
    strategy = find_strategy(candidate.strategy)(context)
    tasks = resolved.tasks
    start = time.perf_counter()
    with reproducible(resolved.preset.threads):
        for step in [len(tasks) - 1] if strategy.all_at_once else range(len(tasks)):
            history = strategy.learn(tasks[step], tasks[:step]).history
        seconds = time.perf_counter() - start
        if sweep.each_task_alone:
            found = _reached(tasks[0].name, history)
        else:
            found = validation_srcc(strategy, context, resolved)
    means = ", ".join(f"{name} {np.mean(list(own.values())):.3f}" for name, own in found.items())
    log.info("%s on %s: %s", candidate.name, ", ".join(t.name for t in tasks), means)
    return Trial(
        candidate=candidate.name,
        tasks=tuple(task.name for task in tasks),
        run_id=resolved.run_id,
        srcc=found,
        curve=[epoch.validation_srcc for epoch in history if epoch.step == "images"],
        seconds=seconds,
    )


def _reached(task: str, history: Sequence[Epoch]) -> dict[str, dict[str, float]]:
    """Return the best validation SRCC of the first step and of both."""
    first = max(epoch.validation_srcc for epoch in history if epoch.step == "head")
    both = max(epoch.validation_srcc for epoch in history)
    return {FIRST_STEP: {task: first}, BOTH_STEPS: {task: both}}


def validation_srcc(
    strategy: Strategy, context: TrainingContext, resolved: ResolvedRun
) -> dict[str, dict[str, float]]:
    """Correlate final scores with opinion scores on the validation images of every task.

    Args:
        strategy: A strategy that has learned all tasks of the run.
        context: What it learned with.
        resolved: The run.

    Returns:
        SRCC by readout and task: the strategy's main readout and, with one head per task, the
        others that a validation image allows (``gated``, ``latest`` and ``oracle``). NaN where
        scores are constant, or no numbers because learning diverged.
    """
    readouts = [strategy.main_readout]
    if strategy.gated:
        readouts = list(dict.fromkeys((strategy.main_readout, "gated", "latest", "oracle")))
    found: dict[str, dict[str, float]] = {readout: {} for readout in readouts}
    latest = resolved.tasks[-1].name
    for task in resolved.tasks:
        images, mos, _ = context.images(task, "val")
        scores, distances = strategy.model.read(images)
        heads = dict(zip(strategy.head_names, scores.T, strict=True))
        picked = {"oracle": task.name, "latest": latest, "single": "shared"}
        for readout in readouts:
            if readout in picked:
                scores = heads[picked[readout]].astype(np.float64)
            else:
                columns = np.stack(list(heads.values()), axis=1)
                mixture = "gated" if readout == "half" else readout
                scores = mix(columns, distances, mixture, None, resolved.preset.gate.temperature)
                scores = (scores + heads[latest]) / 2 if readout == "half" else scores
            known = np.isfinite(scores).all()
            found[readout][task.name] = srcc(scores, mos.double().numpy()) if known else np.nan
    return found

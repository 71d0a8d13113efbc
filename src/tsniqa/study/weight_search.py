"""A search over every strategy's one main weight: one grid for all, on validation images alone.

A weight trades what is kept for what is learned, so one task says nothing of it: every trial learns
the whole order of tasks, and is judged by the validation images of all tasks at its end. That looks
back at validation images of earlier tasks, which a learner in the field could not; all strategies
are given it alike. No test image is scored.
"""

import hashlib
import json
import logging
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    ValidationError,
    field_validator,
)

from tsniqa.cards import COMPUTED_FIELDS, load_card
from tsniqa.data.cache import decode_tasks
from tsniqa.errors import ConfigError, RecordError
from tsniqa.metrics import srcc
from tsniqa.model.readouts import mix
from tsniqa.runtime import reproducible
from tsniqa.strategies import find_strategy
from tsniqa.study.planning import Plan, prepare
from tsniqa.study.presets import load_preset
from tsniqa.study.record import RESULTS_VERSION, RunConfig

log = logging.getLogger("tsniqa")


class WeightPlan(BaseModel):
    """The content of a weight-search file (YAML).

    Attributes:
        preset: The preset that every trial uses, with its order of tasks.
        strategies: Names of strategies that have a main weight, each once.
        factors: What every strategy's published weight is multiplied by, each once.
        seed: The seed of all trials.
        remark: What a reader must know of how the search came about.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    preset: str
    strategies: tuple[str, ...] = Field(min_length=1)
    factors: tuple[PositiveFloat, ...] = Field(min_length=1)
    seed: int = 0
    remark: str = ""

    @field_validator("strategies", "factors")
    @classmethod
    def _once(cls, values: tuple) -> tuple:
        if len(set(values)) < len(values):
            raise ValueError("name each once")
        return values


class WeightTrial(BaseModel):
    """What one strategy reached with one weight.

    Attributes:
        strategy: The strategy's name.
        factor: What its published weight was multiplied by.
        weight: The product.
        srcc: For each use of its heads, the validation SRCC of every task after the last one.
        seconds: Time to learn all tasks.
    """

    model_config = ConfigDict(ser_json_inf_nan="constants")

    strategy: str
    factor: float
    weight: float
    srcc: dict[str, dict[str, float]]
    seconds: float


class WeightRecord(BaseModel):
    """A weight search and its trials so far: the content of its record (JSON).

    Attributes:
        plan: What is tried.
        conditions: Fingerprint of what the trials have in common, see :func:`conditions`.
        trials: What has been tried.
    """

    plan: WeightPlan
    conditions: str
    trials: list[WeightTrial] = []


def load_weight_plan(path: Path) -> WeightPlan:
    """Read a weight-search file.

    Raises:
        ConfigError: It is missing or not valid, the preset or a strategy is unknown, or a strategy
            has no weight.
    """
    try:
        plan = WeightPlan.model_validate(yaml.safe_load(path.read_text()))
    except OSError as error:
        raise ConfigError(
            f"no weight-search file at {path}; see data/searches/mini-weights.yml"
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError, ValidationError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"{path} is not a valid weight-search file: {reason}") from error
    load_preset(plan.preset)
    for name in plan.strategies:
        if find_strategy(name).default_weight is None:
            raise ConfigError(f"{path}: strategy '{name}' has no main weight; leave it out")
    return plan


def load_weight_record(path: Path) -> WeightRecord:
    """Read the record of a weight search.

    Raises:
        RecordError: It is missing or unreadable.
    """
    try:
        return WeightRecord.model_validate_json(path.read_text())
    except (OSError, ValidationError) as error:
        raise RecordError(f"no readable weight search at {path}; run the search first") from error


def search_weights(
    plan: WeightPlan, data_root: Path, record_path: Path, cache: Path
) -> WeightRecord:
    """Try every weight of every strategy; trials already in the record are not repeated.

    Args:
        plan: What to try.
        data_root: Folder of datasets in the generic layout.
        record_path: JSON file, rewritten after every trial.
        cache: Folder for features that trials share.

    Raises:
        ConfigError: The record was made under other conditions (preset, seed, backbone, code).
        TsniqaError: Data or weights are unusable.
    """
    present = conditions(plan)
    trials: list[WeightTrial] = []
    if record_path.is_file():
        record = load_weight_record(record_path)
        if record.conditions != present:
            raise ConfigError(
                f"the record {record_path} was made with another preset, seed, backbone or version "
                "of the code; move it away, or name another with --record"
            )
        trials = record.trials
    done = {(trial.strategy, trial.factor) for trial in trials}
    for strategy in plan.strategies:
        for factor in plan.factors:
            if (strategy, factor) not in done:
                trials.append(_try(plan, strategy, factor, data_root, cache))
                record = WeightRecord(plan=plan, conditions=present, trials=trials)
                record_path.parent.mkdir(parents=True, exist_ok=True)
                partial = record_path.with_suffix(".partial")
                partial.write_text(record.model_dump_json(indent=1) + "\n")
                partial.replace(record_path)
    return WeightRecord(plan=plan, conditions=present, trials=trials)


def conditions(plan: WeightPlan) -> str:
    """Fingerprint everything that the trials of a plan have in common and that changes results.

    Returns:
        sha256 (hex) over the preset's values but its weights, the seed, the backbone's card and the
        version of results.
    """
    preset = load_preset(plan.preset)
    card = load_card(preset.backbone)
    common = {
        "preset": preset.model_dump(mode="json", exclude={"description", "weights"}),
        "card": card.model_dump(mode="json", include=COMPUTED_FIELDS | {"sha256"}),
        "seed": plan.seed,
        "version": RESULTS_VERSION,
    }
    return hashlib.sha256(json.dumps(common, sort_keys=True).encode()).hexdigest()


def _try(
    plan: WeightPlan, strategy: str, factor: float, data_root: Path, cache: Path
) -> WeightTrial:
    weight = float(f"{find_strategy(strategy).default_weight * factor:.12g}")
    config = RunConfig(
        preset=plan.preset,
        strategy=strategy,
        seed=plan.seed,
        overrides={"weights": {strategy: weight}},
    )
    prepared = prepare(config, data_root, cache=cache)
    decode_tasks(prepared.tasks, prepared.decoded)
    start = time.perf_counter()
    with reproducible(prepared.preset.threads):
        _learn(prepared)
        seconds = time.perf_counter() - start
        found = validation_srcc(prepared)
    means = ", ".join(f"{use} {np.mean(list(own.values())):.3f}" for use, own in found.items())
    log.info("%s with %g: mean validation SRCC %s", strategy, weight, means)
    return WeightTrial(strategy=strategy, factor=factor, weight=weight, srcc=found, seconds=seconds)


def _learn(prepared: Plan) -> None:
    """Learn all tasks in order, as the study loop does."""
    last = len(prepared.tasks) - 1
    for step in [last] if prepared.strategy.all_at_once else range(last + 1):
        prepared.strategy.learn(prepared.tasks[step], prepared.tasks[:step])


def validation_srcc(learned: Plan) -> dict[str, dict[str, float]]:
    """Correlate final scores with opinion scores on the validation images of every task.

    Args:
        learned: A plan whose strategy has learned all its tasks.

    Returns:
        SRCC by use and task: the strategy's main use and, with one head a task, the other uses that
        a validation image allows (``gated``, ``latest`` and ``oracle``). NaN where scores are
        constant, or no numbers because learning diverged.
    """
    strategy = learned.strategy
    uses = dict.fromkeys((strategy.main_use, "gated", "latest", "oracle"))
    found: dict[str, dict[str, float]] = {
        use: {} for use in (uses if strategy.gated else [strategy.main_use])
    }
    latest = learned.tasks[-1].name
    for task in learned.tasks:
        images, mos, _ = learned.context.images(task, "val")
        heads = dict(zip(strategy.head_names, strategy.heads(images).T, strict=True))
        distances = strategy.distances(images)
        for use in found:
            scores = _used(heads, distances, use, task.name, latest, learned)
            known = np.isfinite(scores).all()
            found[use][task.name] = srcc(scores, mos.double().numpy()) if known else float("nan")
    return found


def _used(
    heads: Mapping[str, np.ndarray],
    distances: np.ndarray | None,
    use: str,
    task: str,
    latest: str,
    learned: Plan,
) -> np.ndarray:
    """Combine head scores [N] each into one score [N], float64."""
    if use == "single":
        return next(iter(heads.values())).astype(np.float64)
    if use in ("oracle", "latest"):
        return heads[task if use == "oracle" else latest].astype(np.float64)
    columns = np.stack(list(heads.values()), axis=1)
    mixture = "gated" if use == "half" else use
    mixed = mix(columns, distances, mixture, temperature=learned.preset.gate.temperature)
    return (mixed + heads[latest]) / 2 if use == "half" else mixed

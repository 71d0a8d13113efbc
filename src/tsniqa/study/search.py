"""A search over stated configurations, on validation images alone.

No test image is scored, so a choice made here leaves the test sets untouched.
"""

import logging
import time
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from tsniqa.data.cache import decode_tasks
from tsniqa.errors import ConfigError, RecordError
from tsniqa.runtime import reproducible
from tsniqa.study.planning import prepare
from tsniqa.study.record import RunConfig

log = logging.getLogger("tsniqa")


class Candidate(BaseModel):
    """One configuration.

    Attributes:
        name: What the book calls it.
        strategy: Name of the strategy.
        backbone: Another backbone card, or None.
        overrides: Preset values it changes.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    strategy: str = "tsn"
    backbone: str | None = None
    overrides: dict[str, Any] = {}


class SearchPlan(BaseModel):
    """The content of a search file (YAML).

    Attributes:
        preset: The preset that the candidates change.
        tasks: Each is learned alone, from the initial network.
        seed: The seed of all candidates.
        candidates: What is tried, in this order.
        remark: What a reader must know of how the search came about.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    preset: str
    tasks: tuple[str, ...]
    seed: int = 0
    candidates: tuple[Candidate, ...]
    remark: str = ""


class Trial(BaseModel):
    """What one candidate reached on one task.

    Attributes:
        candidate: The candidate's name.
        task: The task's name.
        head_only: Best validation SRCC of step one.
        best: Best validation SRCC of both steps.
        curve: Validation SRCC before and after every epoch of step two.
        seconds: Time to learn the task.
    """

    model_config = ConfigDict(ser_json_inf_nan="constants")

    candidate: str
    task: str
    head_only: float
    best: float
    curve: list[float]
    seconds: float


class SearchRecord(BaseModel):
    """A search and its trials so far: the content of a search record (JSON)."""

    plan: SearchPlan
    trials: list[Trial] = []


def load_search_plan(path: Path) -> SearchPlan:
    """Read a search file.

    Raises:
        ConfigError: It is missing or not valid.
    """
    try:
        return SearchPlan.model_validate(yaml.safe_load(path.read_text()))
    except OSError as error:
        raise ConfigError(f"no search file at {path}; see data/searches/open.yml") from error
    except (yaml.YAMLError, ValidationError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"{path} is not a valid search file: {reason}") from error


def load_search_record(path: Path) -> SearchRecord:
    """Read a search record.

    Raises:
        RecordError: It is missing or unreadable.
    """
    try:
        return SearchRecord.model_validate_json(path.read_text())
    except (OSError, ValidationError) as error:
        raise RecordError(f"no readable search record at {path}; run the search first") from error


def search(plan: SearchPlan, data_root: Path, record_path: Path, cache: Path) -> SearchRecord:
    """Try every candidate on every task; trials already in the record are not repeated.

    A candidate that was changed under its name, or another preset or seed, is tried anew.

    Args:
        plan: What to try.
        data_root: Folder of datasets in the generic layout.
        record_path: JSON file, rewritten after every trial.
        cache: Folder for features that trials share.

    Raises:
        TsniqaError: A candidate names something unknown, or data or weights are unusable.
    """
    trials = _still_valid(plan, record_path) if record_path.is_file() else []
    done = {(trial.candidate, trial.task) for trial in trials}
    for candidate in plan.candidates:
        for task in plan.tasks:
            if (candidate.name, task) not in done:
                trials.append(_try(plan, candidate, task, data_root, cache))
                record = SearchRecord(plan=plan, trials=trials)
                record_path.parent.mkdir(parents=True, exist_ok=True)
                partial = record_path.with_suffix(".partial")
                partial.write_text(record.model_dump_json(indent=1) + "\n")
                partial.replace(record_path)
    return SearchRecord(plan=plan, trials=trials)


def _still_valid(plan: SearchPlan, record_path: Path) -> list[Trial]:
    """Return the recorded trials but those whose configuration the plan has changed."""
    record = load_search_record(record_path)
    if (record.plan.preset, record.plan.seed) != (plan.preset, plan.seed):
        return []
    present = {candidate.name: candidate for candidate in plan.candidates}
    changed = {
        candidate.name
        for candidate in record.plan.candidates
        if present.get(candidate.name, candidate) != candidate
    }
    return [trial for trial in record.trials if trial.candidate not in changed]


def _try(plan: SearchPlan, candidate: Candidate, task: str, data_root: Path, cache: Path) -> Trial:
    config = RunConfig(
        preset=plan.preset,
        strategy=candidate.strategy,
        task_order=(task,),
        seed=plan.seed,
        backbone=candidate.backbone,
        overrides=candidate.overrides,
    )
    prepared = prepare(config, data_root, cache=cache)
    decode_tasks(prepared.tasks, prepared.decoded)
    start = time.perf_counter()
    with reproducible(prepared.preset.threads):
        history = prepared.strategy.learn(prepared.tasks[0], []).history
    seconds = time.perf_counter() - start
    steps = {
        step: [epoch.validation_srcc for epoch in history if epoch.step == step]
        for step in ("head", "images")
    }
    best = max(steps["head"] + steps["images"])
    log.info("%s on %s: %.3f, then %.3f", candidate.name, task, max(steps["head"]), best)
    return Trial(
        candidate=candidate.name,
        task=task,
        head_only=max(steps["head"]),
        best=best,
        curve=steps["images"],
        seconds=seconds,
    )

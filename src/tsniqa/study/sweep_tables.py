"""What a sweep says: trials, candidates, grids of weights, and the choice for each strategy."""

import numpy as np
import pandas as pd

from tsniqa.strategies import find_strategy
from tsniqa.study.config import load_preset
from tsniqa.study.sweep import BOTH_STEPS, Candidate, SweepRecord


def standard_error(srcc: float | np.ndarray, images: int | np.ndarray) -> np.ndarray:
    """Approximate the standard error of a correlation r over n images: (1 - r^2) / sqrt(n - 1).

    Args:
        srcc: In [-1, 1].
        images: At least 2.
    """
    return (1 - np.square(srcc)) / np.sqrt(np.subtract(images, 1))


def trial_results(record: SweepRecord) -> pd.DataFrame:
    """Tabulate the trials of a sweep, one validation SRCC a row.

    Returns:
        ``candidate`` (in the order of the sweep), ``strategy``, ``factor`` and ``weight`` (NaN if
        it has none of its own), ``readout`` (or step), ``task``, ``srcc``, ``judged`` (whether the
        candidate is judged by this readout), ``seconds`` (of the whole trial).
    """
    rows = []
    for candidate in record.sweep.all_candidates():
        weight = candidate.overrides.get("weights", {}).get(candidate.strategy)
        known = (candidate.name, candidate.strategy, candidate.factor, weight)
        alone = record.sweep.each_task_alone
        judged = BOTH_STEPS if alone else find_strategy(candidate.strategy).main_readout
        for trial in record.trials:
            if trial.candidate != candidate.name:
                continue
            for readout, values in trial.srcc.items():
                for task, value in values.items():
                    rows.append((*known, readout, task, value, readout == judged, trial.seconds))
    columns = ["candidate", "strategy", "factor", "weight", "readout", "task", "srcc"]
    table = pd.DataFrame(rows, columns=[*columns, "judged", "seconds"])
    return table.astype({"factor": float, "weight": float, "judged": bool})


def candidate_table(record: SweepRecord) -> pd.DataFrame:
    """Lay out the candidates with the validation SRCC they are judged by, tasks in columns.

    Returns:
        Indexed by candidate in the sweep's order: a column a task, ``mean`` (NaN until every task
        is tried) and ``differs by`` (what it changes of the preset).
    """
    candidates = record.sweep.all_candidates()
    trials = trial_results(record)
    judged = trials[trials["judged"]].pivot(index="candidate", columns="task", values="srcc")
    table = judged.reindex([one.name for one in candidates], columns=list(record.sweep.order()))
    table["mean"] = table.mean(axis=1, skipna=False)
    table["differs by"] = [_changes(candidate) for candidate in candidates]
    return table.rename_axis(index=None, columns=None)


def _changes(candidate: Candidate) -> str:
    changes = [f"strategy {candidate.strategy}"] if candidate.strategy != "tsn" else []
    changes += [f"card {candidate.backbone}"] if candidate.backbone else []
    changes += [f"{path} = {value}" for path, value in candidate.overrides.items()]
    return ", ".join(changes) or "nothing"


def weight_grid(record: SweepRecord, readout: str | None = None) -> pd.DataFrame:
    """Lay out the mean validation SRCC over tasks, strategies in rows, factors in columns.

    Args:
        record: A sweep over factors; it may be unfinished.
        readout: A readout; None is what each strategy is judged by.

    Returns:
        Indexed by strategy in the sweep's order; NaN where nothing was tried.
    """
    trials = trial_results(record)
    kept = trials["judged"] if readout is None else trials["readout"] == readout
    means = (
        trials[kept]
        .groupby(["strategy", "factor"])["srcc"]
        .agg(lambda values: values.mean(skipna=False))
    )
    return means.unstack().reindex(
        index=list(record.sweep.strategies), columns=sorted(record.sweep.factors)
    )


def choice_table(record: SweepRecord) -> pd.DataFrame:
    """Choose for every strategy the candidate with the highest mean validation SRCC.

    A candidate with constant predictions on a task (a mean of NaN) is never chosen. Of equals the
    first is taken; of factors the one nearest to 1. A strategy of which not every candidate has
    been tried has no choice yet.

    Returns:
        One row a strategy: ``strategy``, ``candidate``, ``mean`` (its validation SRCC), ``published
        weight`` and ``chosen weight``, ``gain`` over the published weight (NaN where these were not
        tried), ``at the edge`` (of the factors) and ``the preset has it``.
    """
    table = candidate_table(record)
    tried = {trial.candidate for trial in record.trials}
    groups: dict[str, list[Candidate]] = {}
    for candidate in record.sweep.all_candidates():
        groups.setdefault(candidate.strategy, []).append(candidate)
    factors = record.sweep.factors
    rows = []
    for strategy, own in groups.items():
        means = table.loc[[one.name for one in own], "mean"].astype(float)
        if means.isna().all() or not tried.issuperset(means.index):
            continue
        equals = [one for one in own if means[one.name] == means.max()]
        chosen = min(equals, key=lambda one: abs(np.log(one.factor or 1)))
        plain = [means[one.name] for one in own if one.factor == 1]
        has_factor = chosen.factor is not None
        rows.append(
            {
                "strategy": strategy,
                "candidate": chosen.name,
                "mean": means.max(),
                "published weight": find_strategy(strategy).default_weight if has_factor else None,
                "chosen weight": chosen.overrides["weights"][strategy] if has_factor else None,
                "gain": means.max() - plain[0] if plain else np.nan,
                "at the edge": has_factor and chosen.factor in (min(factors), max(factors)),
                "the preset has it": _adopted(record, chosen),
            }
        )
    return pd.DataFrame(rows)


def _adopted(record: SweepRecord, candidate: Candidate) -> bool:
    """Tell whether the sweep's preset, as it is now, has the values of a candidate."""
    preset = load_preset(record.sweep.preset)
    if candidate.factor is not None:
        name = candidate.strategy
        current = preset.weights.get(name, find_strategy(name).default_weight)
        return current == candidate.overrides["weights"][name]
    changed = load_preset(record.sweep.preset, candidate.overrides)
    return changed == preset and candidate.backbone in (None, preset.backbone)

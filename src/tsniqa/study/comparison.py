"""Strategies side by side: every readout of what each has learned, over one or more runs.

All functions take ``runs``: by the name of each strategy (or of a variant of one), its records with
different seeds or splits. Bounds are told apart from what competes: what may see all tasks at once,
or is told which task an image comes from, answers an easier question.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from tsniqa.strategies import FAMILIES, STRATEGIES, GDumb
from tsniqa.study.evaluation import SUMMARY, meant_readout, srcc_matrix, summary
from tsniqa.study.record import RunRecord

Runs = Mapping[str, Sequence[RunRecord]]
Pair = tuple[str, str]
"""A strategy and a readout."""

UPPER, TOLD, COMPARED, LOWER = "upper bound", "task is told", "compared", "lower bound"
REMEMBERS = "remembers all"
ROLES = (UPPER, TOLD, REMEMBERS, COMPARED, LOWER)
"""Roles in a comparison, in the order in which tables show them."""

COMPETING = (COMPARED, LOWER)
"""Roles of what knows the image alone, and has no more of earlier tasks than allowed."""

NAMES = ["label", "strategy", "readout", "role", "seed", "split"]
"""Columns of :func:`measures_by_run` that are no measures."""


def run_key(record: RunRecord) -> tuple[int, str]:
    """Return what tells apart the runs of one strategy: seed and split."""
    return record.config.seed, record.config.split


def shared(runs: Runs, *strategies: str) -> list[list[RunRecord]]:
    """Return, for each of some strategies, its records of the runs that all of them have, sorted.

    The lists are as long as each other, and empty where one has no run of the others.
    """
    found = [{run_key(record): record for record in runs.get(name, ())} for name in strategies]
    keys = sorted(set.intersection(*(set(own) for own in found)))
    return [[own[key] for key in keys] for own in found]


def label(strategy: str, readout: str) -> str:
    """Name a strategy with a readout, as tables and figures do."""
    return strategy if readout == "single" else f"{strategy} {readout}"


def family(strategy: str) -> str:
    """Return one of :data:`tsniqa.strategies.FAMILIES`; a strategy in none of them is ``other``."""
    known = (name for name, members in FAMILIES.items() if STRATEGIES.get(strategy) in members)
    return next(known, "other")


def role(strategy: str, readout: str, runs: Runs) -> str:
    """Tell what a strategy with a readout may use; one of :data:`ROLES`.

    Replay remembers all where its memory holds every training image that it is shared by, of the
    tasks before the last, or of all where nothing else is learned from: it then sees all tasks at
    once, as joint learning does.
    """
    known = STRATEGIES.get(strategy)
    if (known and known.all_at_once) or (strategy, readout) == ("separate", "oracle"):
        return UPPER
    if readout == "oracle":
        return TOLD
    if family(strategy) == "replay":
        description = runs[strategy][0].description
        sharing = description.tasks if known is GDumb else description.tasks[:-1]
        images = sum(task.images["train"] for task in sharing)
        return REMEMBERS if images <= description.preset.memory else COMPARED
    return LOWER if family(strategy) == "no defence" else COMPARED


def _names(*runs: Runs) -> list[str]:
    """List strategies that have records: those registered in their order, then others."""
    found = [name for one in runs for name, records in one.items() if records]
    return [name for name in dict.fromkeys([*STRATEGIES, *sorted(found)]) if name in found]


def pairs(runs: Runs) -> list[Pair]:
    """List every readout of every strategy, by role, then as strategies are registered."""
    found = [(name, readout) for name in _names(runs) for readout in runs[name][0].readouts]
    return sorted(found, key=lambda pair: ROLES.index(role(*pair, runs)))


def main_pairs(runs: Runs) -> list[Pair]:
    """List the few that figures show: each strategy as its source means it, and TSN's oracle."""
    return [
        (name, readout)
        for name, readout in pairs(runs)
        if (name, readout) == ("tsn", "oracle") or readout == main_readout(name, runs)
    ]


def main_readout(strategy: str, runs: Runs) -> str:
    """Return how the source of a strategy reads its heads out, or the preset where it is gated."""
    known, first = STRATEGIES.get(strategy), runs[strategy][0]
    readout = known.main_readout if known else first.readouts[0]
    return meant_readout(readout, first.description.preset)


def measures_by_run(runs: Runs, shown: Sequence[Pair] | None = None) -> pd.DataFrame:
    """Measure every strategy, readout and run.

    Args:
        runs: Records by strategy.
        shown: Only these strategies and readouts; None is all.

    Returns:
        One row each: :data:`NAMES`, the final SRCC of every task (in the order learned), then
        :data:`tsniqa.study.evaluation.SUMMARY`.
    """
    rows = []
    for name, readout in pairs(runs) if shown is None else shown:
        for record in runs[name]:
            known = (label(name, readout), name, readout, role(name, readout, runs))
            row = dict(zip(NAMES, (*known, *run_key(record)), strict=True))
            row |= dict(zip(record.order, srcc_matrix(record, readout)[-1].tolist(), strict=True))
            rows.append(row | summary(record, readout))
    return pd.DataFrame(rows)


def comparison_table(runs: Runs, shown: Sequence[Pair] | None = None) -> pd.DataFrame:
    """Average every strategy and readout over its runs.

    Args:
        runs: Records by strategy.
        shown: Only these strategies and readouts, in this order; None is all.

    Returns:
        Indexed by label: ``role``, the summary measures, final SRCC of every task, ``runs`` (how
        many), ``weight`` (the strategy's main weight; NaN if it has none), ``learnable`` and
        ``stored`` (parameters a task), ``minutes`` (of learning all tasks).
    """
    shown = pairs(runs) if shown is None else shown
    table = measures_by_run(runs, shown)
    tasks = list(table.columns.drop([*NAMES, *SUMMARY]))
    groups = table.groupby("label", sort=False)
    means = groups[[*SUMMARY, *tasks]].agg(lambda values: values.mean(skipna=False))
    means.insert(0, "role", groups["role"].first())
    means["runs"] = groups.size()
    costs = {label(*pair): _costs(runs[pair[0]]) for pair in shown}
    return means.join(pd.DataFrame.from_dict(costs, orient="index")).rename_axis(None)


def _costs(records: Sequence[RunRecord]) -> dict[str, float]:
    counts = records[0].description.parameters
    return {
        "weight": main_weight(records[0]),
        "learnable": counts.learnable_per_task,
        "stored": counts.stored_per_task,
        "minutes": float(np.mean([minutes(record, "learning") for record in records])),
    }


def main_weight(record: RunRecord) -> float:
    """Return the main weight that a run's strategy had; NaN if it has none."""
    known = STRATEGIES.get(record.strategy)
    default = known.default_weight if known else None
    given = record.description.preset.weights.get(record.strategy, default)
    return float("nan") if given is None else given


def minutes(record: RunRecord, kind: str) -> float:
    """Add up a record's times for ``"learning"`` or ``"scoring"`` over its tasks, in minutes."""
    timings = record.description.timings.items()
    return sum(seconds for name, seconds in timings if name.startswith(f"{kind} ")) / 60


def image_milliseconds(record: RunRecord) -> float:
    """Return the time to score one image with all heads, without the gate's own pass; or NaN."""
    seconds = record.description.timings.get("all heads", float("nan"))
    return 1000 * seconds / len(record.test_images[record.order[-1]])


def differ(here: Runs, published: Runs) -> bool:
    """Tell whether a run that was made here has other scores than its published record."""
    known = {(name, run_key(one)): one for name, own in published.items() for one in own}
    pairs = [(one, known.get((name, run_key(one)))) for name, own in here.items() for one in own]
    return any(two and not np.array_equal(one.scores, two.scores) for one, two in pairs)


def joined(here: Runs, published: Runs) -> dict[str, list[RunRecord]]:
    """Put records made here and published ones together; a run that both have counts once."""
    runs = {name: list(records) for name, records in here.items()}
    for name, records in published.items():
        own = runs.setdefault(name, [])
        known = {run_key(record) for record in own}
        own += [record for record in records if run_key(record) not in known]
    return runs

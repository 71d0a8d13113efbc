"""Strategies side by side: every way to use what each has learned, over one or more seeds.

All functions take ``runs``: for each strategy's name, its records with different seeds. Bounds are
told apart from the ways that compete: what may see all tasks at once, or is told which task an
image comes from, answers an easier question.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from tsniqa.model.readouts import READOUTS
from tsniqa.strategies import FAMILIES, STRATEGIES
from tsniqa.study import evaluation as tables
from tsniqa.study.comparison import image_milliseconds, minutes
from tsniqa.study.record import RunRecord

Runs = Mapping[str, Sequence[RunRecord]]

UPPER, TOLD, COMPARED, LOWER = "upper bound", "task is told", "compared", "lower bound"
REMEMBERS = "remembers all"
ROLES = (UPPER, TOLD, REMEMBERS, COMPARED, LOWER)
"""Roles in a comparison, in the order in which tables show them."""

SUMMARY = ("mean SRCC", "weighted SRCC", "mPI", "mSI", "mPSI", "mSRCC", "MPSR")
"""Columns of :func:`measures` that summarise all tasks."""


class Way(NamedTuple):
    """A strategy and a way to use its heads."""

    strategy: str
    use: str

    @property
    def label(self) -> str:
        """What tables and figures call it."""
        return self.strategy if self.use == "single" else f"{self.strategy} {self.use}"

    @property
    def family(self) -> str:
        """One of :data:`tsniqa.strategies.FAMILIES`; a strategy that is in none is ``other``."""
        for family, members in FAMILIES.items():
            if self.strategy in {member.name for member in members}:
                return family
        return "other"


def role(way: Way, runs: Runs) -> str:
    """Tell what a way may use; one of :data:`ROLES`.

    Replay remembers all where its memory holds every training image of the runs: it then sees all
    tasks at once, as joint learning does.
    """
    known = STRATEGIES.get(way.strategy)
    if (known and known.all_at_once) or way == ("separate", "oracle"):
        return UPPER
    if way.use == "oracle":
        return TOLD
    if way.family == "replay":
        description = runs[way.strategy][0].description
        images = sum(task.images["train"] for task in description.tasks)
        return REMEMBERS if images <= description.preset.memory else COMPARED
    return LOWER if way.family == "no defence" else COMPARED


def competes(way: Way, runs: Runs) -> bool:
    """Tell whether a way knows the image alone, and has no more of earlier tasks than allowed."""
    return role(way, runs) in (COMPARED, LOWER)


def ways(runs: Runs) -> list[Way]:
    """List every way to use every strategy, by role, then as :data:`STRATEGIES` are listed."""
    found = [Way(strategy, use) for strategy in _listed(runs) for use in runs[strategy][0].uses]
    return sorted(found, key=lambda way: ROLES.index(role(way, runs)))


def main_ways(runs: Runs) -> list[Way]:
    """List the few ways that figures show: each strategy as it is meant, and TSN's oracle.

    A strategy that is not registered is meant as the first use of its record.
    """
    return [
        way
        for way in ways(runs)
        if way == ("tsn", "oracle") or way.use == main_use(way.strategy, runs)
    ]


def main_use(strategy: str, runs: Runs) -> str:
    """Return how the source of a strategy uses its heads."""
    known = STRATEGIES.get(strategy)
    return known.main_readout if known else runs[strategy][0].uses[0]


def _listed(runs: Runs) -> list[str]:
    """Return the strategies that have records; registered ones first, in their order."""
    names = [*STRATEGIES, *sorted(set(runs) - set(STRATEGIES))]
    return [name for name in names if runs.get(name)]


def measures(record: RunRecord, use: str) -> dict[str, float]:
    """Measure one use of one record.

    Returns:
        The final SRCC of every task (in the order learned), then :data:`SUMMARY`; NaN where the
        strategy has no such measure.
    """
    final = tables.srcc_matrix(record, use)[-1]
    summary = tables.summary(record, use)
    return dict(zip(record.order, final.tolist(), strict=True)) | {
        name: summary[name] for name in SUMMARY
    }


def all_measures(runs: Runs, shown: Sequence[Way] | None = None) -> pd.DataFrame:
    """Measure every way and seed.

    Args:
        runs: Records by strategy.
        shown: Only these ways; None is all.

    Returns:
        One row for each way and seed: ``way`` (its label), ``strategy``, ``use``, ``role``,
        ``seed``, then the columns of :func:`measures`.
    """
    return pd.DataFrame(
        {
            "way": way.label,
            "strategy": way.strategy,
            "use": way.use,
            "role": role(way, runs),
            "seed": record.config.seed,
            **measures(record, way.use),
        }
        for way in (ways(runs) if shown is None else shown)
        for record in runs[way.strategy]
    )


def comparison_table(runs: Runs, shown: Sequence[Way] | None = None) -> pd.DataFrame:
    """Average every way over its seeds.

    Args:
        runs: Records by strategy.
        shown: Only these ways, in this order; None is all.

    Returns:
        One row a way, indexed by label: ``role``, :data:`SUMMARY` with ``±`` after the mean SRCC
        (half-width of the 95% t interval over seeds; NaN for one seed), final SRCC of every task,
        ``seeds`` (how many), ``weight`` (the strategy's main weight; NaN if it has none),
        ``learnable`` and ``stored`` (parameters a task), ``learning`` (minutes for all tasks) and
        ``scoring`` (milliseconds an image, all heads). Times are means of the records that have
        them.
    """
    shown = ways(runs) if shown is None else shown
    table = all_measures(runs, shown)
    groups = table.groupby("way", sort=False)
    means = groups[_numbers(table)].agg(lambda values: values.mean(skipna=False))
    tasks = list(means.columns.difference(SUMMARY, sort=False))
    means = means[[*SUMMARY, *tasks]]
    means.insert(0, "role", groups["role"].first())
    means.insert(2, "±", groups["mean SRCC"].agg(half_width))
    means["seeds"] = groups.size()
    records = {way.label: runs[way.strategy] for way in shown}
    counts = {label: those[0].description.parameters for label, those in records.items()}
    means["weight"] = [weight(records[label][0]) for label in means.index]
    means["learnable"] = [counts[label].learnable_per_task for label in means.index]
    means["stored"] = [counts[label].stored_per_task for label in means.index]
    for name, of_record in (
        ("learning", lambda record: minutes(record, "learning")),
        ("scoring", image_milliseconds),
    ):
        means[name] = [
            float(pd.Series([of_record(record) for record in records[label]]).mean())
            for label in means.index
        ]
    return means.rename_axis(None)


def weight(record: RunRecord) -> float:
    """Return the main weight that a run's strategy had; NaN if it has none."""
    known = STRATEGIES.get(record.config.strategy)
    default = None if known is None else known.default_weight
    given = record.description.preset.weights.get(record.config.strategy, default)
    return float("nan") if given is None else given


def half_width(values: pd.Series, level: float = 0.95) -> float:
    """Return the half-width of Student's t interval for a mean; NaN for fewer than two values."""
    if len(values) < 2 or values.isna().any():
        return float("nan")
    quantile = stats.t.ppf((1 + level) / 2, len(values) - 1)
    return float(quantile * values.std(ddof=1) / np.sqrt(len(values)))


def spread_table(runs: Runs, shown: Sequence[Way] | None = None) -> pd.DataFrame:
    """Show how far seeds spread: ``mean ± half-width`` of every column of :func:`measures`.

    The half-width is that of the 95% t interval over seeds; with one seed the value stands alone.
    """
    table = all_measures(runs, shown)
    return table.groupby("way", sort=False)[_numbers(table)].agg(_spread).rename_axis(None)


def _numbers(table: pd.DataFrame) -> list[str]:
    return list(table.columns.drop(["way", "strategy", "use", "role", "seed"]))


def _spread(values: pd.Series) -> str:
    if values.isna().any():
        return "–"
    half = half_width(values)
    return f"{values.mean():.3f}" if np.isnan(half) else f"{values.mean():.3f} ± {half:.3f}"


def use_table(runs: Runs, column: str = "mean SRCC") -> pd.DataFrame:
    """Compare the uses of heads: strategies with several heads in rows, uses in columns.

    Args:
        runs: Records by strategy.
        column: One of the columns of :func:`measures`.

    Returns:
        Means over seeds; NaN where a strategy's heads are not used so.
    """
    table = all_measures(runs, [way for way in ways(runs) if way.use != "single"])
    if table.empty:
        return pd.DataFrame(columns=list((*READOUTS, "half")))
    means = table.groupby(["strategy", "use"])[column].mean().unstack()
    several = [name for name in _listed(runs) if name in means.index]
    return means.loc[several, [use for use in (*READOUTS, "half") if use in means]]


def best_ways(table: pd.DataFrame, column: str) -> tuple[list[str], list[str]]:
    """Return the labels with the highest and second-highest value among those that compete.

    Args:
        table: From :func:`comparison_table`.
        column: One of its columns of measures.
    """
    values = table.loc[table["role"].isin((COMPARED, LOWER)), column].dropna()
    ranks = values.rank(method="dense", ascending=False)
    return values.index[ranks == 1].tolist(), values.index[ranks == 2].tolist()


def growth_table(runs: Runs) -> pd.DataFrame:
    """Count what a model stores beyond the network it began with, by the number of tasks.

    Counted is what scoring needs: heads, normalization, masks, centroids, networks a task. A
    network that changes in place replaces the first one and adds nothing.

    Returns:
        Index: number of tasks, from 1 to that of the runs; a column a strategy: numbers stored.
    """
    tasks = max((len(records[0].order) for records in runs.values() if records), default=0)
    steps = pd.RangeIndex(1, tasks + 1, name="tasks")
    return pd.DataFrame(
        {
            name: _stored(runs[name][0]) * (steps if runs[name][0].description.gated else 1)
            for name in _listed(runs)
        },
        index=steps,
    )


def _stored(record: RunRecord) -> int:
    return record.description.parameters.stored_per_task

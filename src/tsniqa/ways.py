"""Strategies side by side: every way to use what each has learned, over one or more seeds.

All functions take ``runs``: for each strategy's name, its records with different seeds. Bounds are
told apart from the ways that compete: what may see all tasks at once, or is told which task an
image comes from, answers an easier question.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from tsniqa import tables
from tsniqa.comparison import minutes
from tsniqa.metrics import paired_interval
from tsniqa.mixing import USES
from tsniqa.records import RunRecord
from tsniqa.strategies import STRATEGIES

Runs = Mapping[str, Sequence[RunRecord]]

UPPER, TOLD, COMPARED, LOWER = "upper bound", "task is told", "compared", "lower bound"
ROLES = (UPPER, TOLD, COMPARED, LOWER)
"""Roles in a comparison, in the order in which tables show them."""

SUMMARY = ("mean SRCC", "weighted SRCC", "mPI", "mSI", "mPSI", "mSRCC", "MPSR")
"""Columns of :func:`measures` that summarise all tasks."""

MEAN = "mean over tasks"
"""What :func:`differences` calls the mean of all tasks' SRCC."""


class Way(NamedTuple):
    """A strategy and a way to use its heads."""

    strategy: str
    use: str

    @property
    def label(self) -> str:
        """What tables and figures call it."""
        return self.strategy if self.use == "single" else f"{self.strategy} {self.use}"

    @property
    def role(self) -> str:
        """One of :data:`ROLES`."""
        known = STRATEGIES.get(self.strategy)
        if (known and known.all_at_once) or self == ("separate", "oracle"):
            return UPPER
        if self.use == "oracle":
            return TOLD
        return LOWER if self.strategy == "sequential" else COMPARED


def ways(runs: Runs) -> list[Way]:
    """List the ways a comparison shows, by role: all of ``tsn``, gate and oracle of the others."""
    found = []
    for strategy, records in runs.items():
        if not records:
            continue
        shown = USES if strategy == "tsn" else ("single", "gated", "oracle")
        found += [Way(strategy, use) for use in shown if use in records[0].uses]
    return sorted(found, key=lambda way: ROLES.index(way.role))


def main_ways(runs: Runs) -> list[Way]:
    """List the few ways that figures show: each strategy as it is meant, and TSN's oracle."""
    return [
        way
        for way in ways(runs)
        if way.role in (UPPER, LOWER)
        or way == ("tsn", "oracle")
        or (way.use in ("gated", "single") and way.strategy != "separate")
    ]


def measures(record: RunRecord, use: str) -> dict[str, float]:
    """Measure one use of one record.

    Returns:
        The final SRCC of every task (in the order learned), then :data:`SUMMARY`; NaN where the
        strategy has no such measure.
    """
    final = tables.srcc_matrix(record, use)[-1]
    return dict(zip(record.order, final.tolist(), strict=True)) | {
        name: value for name, value in tables.summary(record, use).items() if name in SUMMARY
    }


def all_measures(runs: Runs) -> pd.DataFrame:
    """Measure every way and seed.

    Returns:
        One row for each way and seed: ``way`` (its label), ``strategy``, ``use``, ``role``,
        ``seed``, then the columns of :func:`measures`.
    """
    return pd.DataFrame(
        {
            "way": way.label,
            "strategy": way.strategy,
            "use": way.use,
            "role": way.role,
            "seed": record.config.seed,
            **measures(record, way.use),
        }
        for way in ways(runs)
        for record in runs[way.strategy]
    )


def comparison_table(runs: Runs) -> pd.DataFrame:
    """Average every way over its seeds.

    Returns:
        One row a way, indexed by label, in the order of :func:`ways`: ``role``, final SRCC of every
        task, :data:`SUMMARY`, ``seeds`` (how many), ``learnable`` and ``stored`` (parameters a
        task), ``learning`` (minutes for all tasks).
    """
    table = all_measures(runs)
    numbers = table.columns.drop(["way", "strategy", "use", "role", "seed"])
    groups = table.groupby("way", sort=False)
    means = groups[list(numbers)].agg(lambda values: values.mean(skipna=False))
    means.insert(0, "role", groups["role"].first())
    means["seeds"] = groups.size()
    records = {way.label: runs[way.strategy] for way in ways(runs)}
    counts = {label: those[0].description.parameters for label, those in records.items()}
    means["learnable"] = [counts[label].learnable_per_task for label in means.index]
    means["stored"] = [counts[label].stored_per_task for label in means.index]
    means["learning"] = [
        float(np.mean([minutes(record, "learning") for record in records[label]]))
        for label in means.index
    ]
    return means


def range_table(runs: Runs) -> pd.DataFrame:
    """Show how far seeds spread: ``lowest to highest`` of every column of :func:`measures`."""
    table = all_measures(runs)
    numbers = table.columns.drop(["way", "strategy", "use", "role", "seed"])
    return table.groupby("way", sort=False)[list(numbers)].agg(_range)


def _range(values: pd.Series) -> str:
    if values.isna().any():
        return "–"
    return f"{values.min():.3f} to {values.max():.3f}"


def best_ways(table: pd.DataFrame, column: str) -> list[str]:
    """Return the labels with the highest value among the ways that compete on equal terms.

    Args:
        table: From :func:`comparison_table`.
        column: One of its columns of measures.
    """
    values = table.loc[table["role"].isin((COMPARED, LOWER)), column]
    return [] if values.isna().all() else values.index[values == values.max()].tolist()


class Difference(NamedTuple):
    """A difference in final SRCC, first minus second, with its paired 95% interval.

    Attributes:
        first: Label of a way.
        second: Label of another.
        task: A task's name, or :data:`MEAN`.
        value: Mean over the seeds that both have.
        low: Lower end of the interval; NaN if there is none.
        high: Upper end.
    """

    first: str
    second: str
    task: str
    value: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """``higher``, ``lower``, ``equal`` or ``not resolved``.

        Equal means that no resample differs, as with predictions that are the same; not resolved
        that the interval contains 0, or is missing.
        """
        if self.value == self.low == self.high == 0:
            return "equal"
        if self.low > 0:
            return "higher"
        return "lower" if self.high < 0 else "not resolved"


def differences(runs: Runs, first: Way, second: Way) -> list[Difference]:
    """Compare two ways on the same test images: every task, then the mean over tasks.

    The interval says how far the choice of test images matters (paired bootstrap); how far the
    seed matters is another question, see :func:`range_table`.

    Args:
        runs: Records by strategy; the two strategies must share a seed.
        first: A way.
        second: Another, of runs with the same tasks.
    """
    pairs = _pairs(runs, first, second)
    order = pairs[0][0].order if pairs else []
    values, draws = [], []
    for task in order:
        values.append(
            [
                np.mean([_final(pair[side], way, task) for pair in pairs])
                for side, way in enumerate((first, second))
            ]
        )
        draws.append(
            [
                _mean_draws([pair[side] for pair in pairs], way.use, task)
                for side, way in enumerate((first, second))
            ]
        )
    if len(order) > 1:
        order = [*order, MEAN]
        values.append(np.mean(values, axis=0))
        draws.append(np.mean(draws, axis=0))
    return [
        Difference(
            first.label, second.label, task, float(value[0] - value[1]), *paired_interval(*drawn)
        )
        for task, value, drawn in zip(order, values, draws, strict=True)
    ]


def _pairs(runs: Runs, first: Way, second: Way) -> list[tuple[RunRecord, RunRecord]]:
    """Pair the records of two strategies by seed."""
    others = {record.config.seed: record for record in runs.get(second.strategy, ())}
    return [
        (record, others[record.config.seed])
        for record in runs.get(first.strategy, ())
        if record.config.seed in others
    ]


def _final(record: RunRecord, way: Way, task: str) -> float:
    return tables.srcc(record, way.use, record.order, task)


def _mean_draws(records: Sequence[RunRecord], use: str, task: str) -> np.ndarray:
    """Average bootstrap draws [1000] over seeds.

    Every record resamples by (task, split) alone. Where each seed draws images of its own, the test
    sets are independent and so must their resamples be: the draws of later seeds are shifted.
    """
    shift = 101 if records[0].tasks[task].simulated else 0
    return np.mean(
        [
            np.roll(tables.bootstrap(record, use, task), shift * position)
            for position, record in enumerate(records)
        ],
        axis=0,
    )


def difference_table(found: Sequence[Difference]) -> pd.DataFrame:
    """Lay differences out for readers: one row each, with the verdict in words."""
    return pd.DataFrame(
        {
            "first": [one.first for one in found],
            "second": [one.second for one in found],
            "task": [one.task for one in found],
            "difference": [one.value for one in found],
            "95% from": [one.low for one in found],
            "to": [one.high for one in found],
            "first is": [one.verdict for one in found],
        }
    )

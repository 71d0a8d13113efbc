"""Differences between two ways on the same test images, with paired bootstrap intervals.

The intervals say how far the choice of test images matters, for the networks as they were trained.
How far the seed matters is another question, so a difference is only called higher or lower if all
seeds agree on its sign. Where many ways are compared with one, some of the plain intervals miss 0
by chance; :func:`simultaneous` widens all of them together.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from tsniqa.errors import RecordError
from tsniqa.metrics import paired_interval
from tsniqa.study import evaluation as tables
from tsniqa.study.record import RunRecord
from tsniqa.study.ways import Runs, Way

MEAN = "mean over tasks"
"""What the mean of all tasks' SRCC is called."""


class Difference(NamedTuple):
    """A difference in final SRCC, first minus second, with its paired 95% interval.

    Attributes:
        first: Label of a way.
        second: Label of another.
        task: A task's name, or :data:`MEAN`.
        value: Mean over the seeds that both have.
        low: Lower end of the interval; NaN if there is none.
        high: Upper end.
        by_seed: The difference of every seed that both have.
    """

    first: str
    second: str
    task: str
    value: float
    low: float
    high: float
    by_seed: tuple[float, ...] = ()

    @property
    def verdict(self) -> str:
        """``higher``, ``lower``, ``equal`` or ``not resolved``.

        Equal means that value and interval are exactly 0, as with predictions that are the same.
        Not resolved means that the interval contains 0 or is missing, or that seeds disagree.
        """
        if self.value == self.low == self.high == 0:
            return "equal"
        if self.low > 0 and all(one > 0 for one in self.by_seed):
            return "higher"
        if self.high < 0 and all(one < 0 for one in self.by_seed):
            return "lower"
        return "not resolved"


class Resampled(NamedTuple):
    """A difference with what it is on every resample of the test images.

    Attributes:
        task: A task's name, or :data:`MEAN`.
        by_seed: First minus second, for every seed that both have.
        first: The first's SRCC on every resample, mean over seeds [1000].
        second: The second's.
    """

    task: str
    by_seed: tuple[float, ...]
    first: np.ndarray
    second: np.ndarray

    @property
    def value(self) -> float:
        """The mean over seeds."""
        return float(np.mean(self.by_seed))


def resampled(runs: Runs, first: Way, second: Way) -> list[Resampled]:
    """Compare two ways on the same resamples: every task, then the mean over tasks.

    Args:
        runs: Records by strategy; nothing is returned if the two share no seed.
        first: A way.
        second: Another, of runs with the same tasks.

    Raises:
        RecordError: Two records of one seed have other test images.
    """
    pairs = _pairs(runs, first, second)
    found = []
    for task in pairs[0][0].order if pairs else ():
        finals, draws = [], []
        for side, way in enumerate((first, second)):
            records = [pair[side] for pair in pairs]
            finals.append([tables.srcc(one, way.use, one.order, task) for one in records])
            draws.append(_mean_draws(records, way.use, task))
        found.append(Resampled(task, tuple(np.subtract(*finals).tolist()), *draws))
    if len(found) > 1:
        by_seed = tuple(np.mean([one.by_seed for one in found], axis=0).tolist())
        sides = (np.mean([one[side] for one in found], axis=0) for side in (2, 3))
        found.append(Resampled(MEAN, by_seed, *sides))
    return found


def differences(runs: Runs, first: Way, second: Way) -> list[Difference]:
    """Compare two ways, each task by itself, then the mean over tasks.

    Args:
        runs: Records by strategy; nothing is returned if the two share no seed.
        first: A way.
        second: Another, of runs with the same tasks.
    """
    return [
        Difference(
            first.label,
            second.label,
            one.task,
            one.value,
            *paired_interval(one.first, one.second),
            one.by_seed,
        )
        for one in resampled(runs, first, second)
    ]


def simultaneous(
    runs: Runs, others: Sequence[Way], reference: Way, tasks: Sequence[str], level: float = 0.95
) -> list[Difference]:
    """Compare many ways with one, so that all intervals hold together with the level's probability.

    Every difference is studentised by its standard deviation over the resamples; the quantile, over
    resamples, of the largest of them all is the half-width of every interval in these units (the
    bootstrap "max t" of Westfall and Young, Resampling-Based Multiple Testing, 1993). It takes into
    account that the ways share test images, which makes their differences alike.

    Args:
        runs: Records by strategy.
        others: Ways to compare with the reference.
        reference: The way they are compared with.
        tasks: Tasks that count, or :data:`MEAN`: all pairs of way and task are one family.
        level: Coverage in (0, 1).

    Returns:
        One difference for every pair, in the order of ways, then tasks. Equal predictions have the
        interval [0, 0] and do not widen the others. Resamples without SRCC are left out.
    """
    found = [
        (way, one) for way in others for one in resampled(runs, way, reference) if one.task in tasks
    ]
    if not found:
        return []
    draws = np.array([one.first - one.second for _, one in found])
    draws = draws[:, ~np.isnan(draws).any(axis=0)]  # resamples of a constant have no SRCC
    width = np.full(len(found), np.nan)
    if draws.shape[1] > 1:
        deviation = draws.std(axis=1, ddof=1)
        moving = deviation > 0
        width = np.zeros(len(found))
        if moving.any():
            centred = draws[moving] - draws[moving].mean(axis=1, keepdims=True)
            largest = np.abs(centred / deviation[moving, None]).max(axis=0)
            width[moving] = np.quantile(largest, level) * deviation[moving]
    return [
        Difference(
            way.label,
            reference.label,
            one.task,
            one.value,
            one.value - half,
            one.value + half,
            one.by_seed,
        )
        for (way, one), half in zip(found, width, strict=True)
    ]


def _pairs(runs: Runs, first: Way, second: Way) -> list[tuple[RunRecord, RunRecord]]:
    """Pair the records of two strategies by seed, after a check that both saw the same images."""
    others = {record.config.seed: record for record in runs.get(second.strategy, ())}
    pairs = [
        (record, others[record.config.seed])
        for record in runs.get(first.strategy, ())
        if record.config.seed in others
    ]
    for pair in pairs:
        names, more = (one.description.run_id for one in pair)
        if pair[0].description.test_images != pair[1].description.test_images:
            raise RecordError(
                f"the records {names} and {more} have other test images, so they cannot be "
                "compared; run one of them again on the data of the other"
            )
    return pairs


def _mean_draws(records: Sequence[RunRecord], use: str, task: str) -> np.ndarray:
    """Average bootstrap draws [1000] over seeds.

    Every record resamples by (task, split) alone. Where each seed draws images of its own, the test
    sets are independent and so must their resamples be: draws are shifted by the seed.
    """
    shift = 101 if records[0].tasks[task].simulated else 0
    return np.mean(
        [
            np.roll(tables.bootstrap(record, use, task), shift * record.config.seed)
            for record in records
        ],
        axis=0,
    )


def outcome(found: Sequence[Difference]) -> str:
    """Say in Markdown which ways lie above a common one, which below, and which are not resolved.

    Args:
        found: One difference a way, all to the same way.
    """
    words = {
        "higher": "above",
        "lower": "below",
        "equal": "exactly equal",
        "not resolved": "not resolved",
    }
    lines = []
    for verdict, word in words.items():
        own = sorted((one for one in found if one.verdict == verdict), key=lambda one: -one.value)
        if own:
            named = ", ".join(f"{one.first} ({one.value:+.3f})" for one in own)
            lines.append(f"- **{word}**: {named}")
    return "\n".join([f"Against {found[0].second}, {found[0].task}:", "", *lines])


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
            "by seed": [", ".join(f"{value:+.3f}" for value in one.by_seed) for one in found],
            "first is": [one.verdict for one in found],
        }
    )

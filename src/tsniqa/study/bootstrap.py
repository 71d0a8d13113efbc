"""Bootstrap draws, differences between strategies on the same test images, and their verdict.

The intervals say how far the choice of test images matters, for the networks as they were trained.
How far the seed matters is another question, so a difference is only called higher or lower if all
seeds agree on its sign.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from tsniqa import metrics
from tsniqa.errors import RecordError
from tsniqa.seeds import generator
from tsniqa.study.comparison import Pair, Runs, label
from tsniqa.study.evaluation import check_readout, predictions, srcc
from tsniqa.study.record import DRAW_SCALE, RunRecord

DRAWS = 1000  # their resampling depends on (task, split) alone, so any two records pair
MEAN = "mean over tasks"  # what the mean of all tasks' SRCC is called

#: Of differences in final SRCC: labels, a task or MEAN, the mean over the seeds that both have,
#: ends of its 95% interval, the difference of every such seed (a tuple), :func:`verdict`.
COLUMNS = ["first", "second", "task", "difference", "low", "high", "by seed", "verdict"]


def verdict(difference: float, low: float, high: float, by_seed: Sequence[float]) -> str:
    """Judge a difference with its interval: ``higher``, ``lower``, ``equal``, ``not resolved``.

    Equal means that value and interval are exactly 0, as with predictions that are the same. Not
    resolved means that the interval contains 0 or is missing, or that seeds disagree.
    """
    if difference == low == high == 0:
        return "equal"
    if low > 0 and all(one > 0 for one in by_seed):
        return "higher"
    if high < 0 and all(one < 0 for one in by_seed):
        return "lower"
    return "not resolved"


def resamples(record: RunRecord, task: str) -> np.ndarray:
    """Return the bootstrap indices [1000, n] of a task's test images: the same in all records."""
    count = len(record.test_images[task])
    return generator(0, task, record.config.split).integers(0, count, size=(DRAWS, count))


def draw_table(record: RunRecord, mos: np.ndarray) -> np.ndarray:
    """Draw the bootstrap SRCC for a record that is to be kept without opinion scores.

    From ``mos``, float64 [N], to float32 [readouts, T, 1000], to the precision that it keeps.
    """
    rated = replace(record, mos=mos, draws=None, cache={})
    table = [[draws(rated, readout, task) for task in record.names] for readout in record.readouts]
    return (np.rint(np.float64(table) * DRAW_SCALE) / DRAW_SCALE).astype(np.float32)


def draws(record: RunRecord, readout: str, task: str) -> np.ndarray:
    """Return the bootstrap SRCC, float32 [1000], on one task after the last task was learned."""
    check_readout(record, readout)
    if record.draws is not None:
        return record.draws[record.readouts.index(readout), record.names.index(task)]
    key = ("draws", readout, task)
    if key not in record.cache:
        predicted, known = predictions(record, readout, record.order), record.mos[record.rows(task)]
        drawn = metrics.bootstrap_srcc(predicted[task], known, resamples(record, task))
        record.cache[key] = drawn.astype(np.float32)
    return record.cache[key]


class _Compared(NamedTuple):
    """A difference on one task (or the mean): of every seed, and of their mean's resamples."""

    labels: tuple[str, str]
    task: str
    by_seed: tuple[float, ...]
    first: np.ndarray
    second: np.ndarray

    def row(self, low: float, high: float) -> tuple:
        value = float(np.mean(self.by_seed))
        judged = verdict(value, low, high, self.by_seed)
        return (*self.labels, self.task, value, low, high, self.by_seed, judged)


def differences(runs: Runs, first: Pair, second: Pair) -> pd.DataFrame:
    """Compare two pairs of strategy and readout: each task by itself, then the mean over tasks.

    Returns:
        The columns :data:`COLUMNS`, with paired intervals; no row if the two share no seed.

    Raises:
        RecordError: Two records of one seed have other test images.
    """
    found = _compared(runs, first, second)
    rows = [one.row(*metrics.paired_interval(one.first, one.second)) for one in found]
    return pd.DataFrame(rows, columns=COLUMNS)


def simultaneous(
    runs: Runs, others: Sequence[Pair], reference: Pair, tasks: Sequence[str]
) -> pd.DataFrame:
    """Compare many with one, so that all intervals hold together with a probability of 95%.

    Of plain intervals of many comparisons, some miss 0 by chance. Here, every difference is
    studentised by its standard deviation over the resamples; the quantile, over resamples, of the
    largest of them all is the half-width of every interval in these units (the bootstrap "max t" of
    Westfall and Young, Resampling-Based Multiple Testing, 1993). It takes into account that all
    share test images, which makes their differences alike.

    Args:
        runs: Records by strategy.
        others: What is compared with the reference.
        reference: A strategy and a readout.
        tasks: Tasks that count, or :data:`MEAN`: all combinations are one family.

    Returns:
        The columns :data:`COLUMNS`, a row for every combination. Equal predictions have the
        interval [0, 0] and do not widen the others. Resamples without SRCC are left out.
    """
    found = [one for other in others for one in _compared(runs, other, reference)]
    found = [one for one in found if one.task in tasks]
    if not found:
        return pd.DataFrame(columns=COLUMNS)
    drawn = np.array([one.first - one.second for one in found])
    drawn = drawn[:, ~np.isnan(drawn).any(axis=0)]  # resamples of a constant have no SRCC
    width = np.full(len(found), np.nan)
    if drawn.shape[1] > 1:
        width = deviation = drawn.std(axis=1, ddof=1)
        moving = deviation > 0
        if moving.any():
            centred = drawn[moving] - drawn[moving].mean(axis=1, keepdims=True)
            largest = np.abs(centred / deviation[moving, None]).max(axis=0)
            width = np.quantile(largest, 0.95) * deviation
    rows = [
        one.row(np.mean(one.by_seed) - half, np.mean(one.by_seed) + half)
        for one, half in zip(found, width, strict=True)
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _compared(runs: Runs, first: Pair, second: Pair) -> list[_Compared]:
    """Compare two on the same resamples, seeds paired: every task, then the mean over tasks."""
    others = {record.config.seed: record for record in runs.get(second[0], ())}
    own = [record for record in runs.get(first[0], ()) if record.config.seed in others]
    others = [others[record.config.seed] for record in own]
    for one, other in zip(own, others, strict=True):
        if one.test_images != other.test_images:
            raise RecordError(
                f"the records {one.description.run_id} and {other.description.run_id} have other "
                "test images, so they cannot be compared; run one again on the data of the other"
            )
    labels, found = (label(*first), label(*second)), []
    for task in own[0].order if own else ():
        finals, resampled = [], []
        for records, readout in ((own, first[1]), (others, second[1])):
            finals.append([srcc(one, readout, one.order, task) for one in records])
            resampled.append(_mean_draws(records, readout, task))
        found.append(_Compared(labels, task, tuple(np.subtract(*finals).tolist()), *resampled))
    if len(found) > 1:
        by_seed = tuple(np.mean([one.by_seed for one in found], axis=0).tolist())
        sides = ([one.first for one in found], [one.second for one in found])
        found.append(_Compared(labels, MEAN, by_seed, *(np.mean(side, axis=0) for side in sides)))
    return found


def _mean_draws(records: Sequence[RunRecord], readout: str, task: str) -> np.ndarray:
    """Average bootstrap draws [1000] over seeds."""
    # Where each seed draws images of its own, test sets are independent, and so must resamples be.
    shift = 101 if records[0].tasks[task].simulated else 0
    shifted = [np.roll(draws(one, readout, task), shift * one.config.seed) for one in records]
    return np.mean(shifted, axis=0)

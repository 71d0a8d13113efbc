"""Bootstrap draws, differences between strategies on the same test images, and their verdict.

The intervals say how far the choice of test images matters, for the networks as they were trained.
How far the seed matters is another question, so a difference is only called higher or lower if all
seeds agree on its sign. Where many are compared with one, some of the plain intervals miss 0 by
chance; :func:`simultaneous` widens all of them together.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from tsniqa import metrics
from tsniqa.errors import RecordError
from tsniqa.seeds import generator
from tsniqa.study.comparison import Pair, Runs, label
from tsniqa.study.evaluation import check_readout, predictions, srcc
from tsniqa.study.record import DRAW_SCALE, RunRecord

DRAWS = 1000
"""Bootstrap draws; their resampling depends on (task, split) alone, so any two records pair."""

MEAN = "mean over tasks"
"""What the mean of all tasks' SRCC is called."""

COLUMNS = ["first", "second", "task", "difference", "low", "high", "by seed", "verdict"]
"""Columns of a table of differences in final SRCC, first minus second:

labels, a task or :data:`MEAN`, the mean over the seeds that both have, the ends of its 95%
interval, the difference of every such seed (a tuple), and :func:`verdict`.
"""


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
    """Draw the bootstrap SRCC of every readout after the last task, for a record without ``mos``.

    Returns:
        Float32 [readouts, T, 1000], to the precision that a record keeps.
    """
    table = [
        [_draw(record, readout, task, mos) for task in record.names] for readout in record.readouts
    ]
    return (np.rint(np.float64(table) * DRAW_SCALE) / DRAW_SCALE).astype(np.float32)


def _draw(record: RunRecord, readout: str, task: str, mos: np.ndarray) -> np.ndarray:
    predicted = predictions(record, readout, record.order)[task]
    draws = metrics.bootstrap_srcc(predicted, mos[record.rows(task)], resamples(record, task))
    return draws.astype(np.float32)


def draws(record: RunRecord, readout: str, task: str) -> np.ndarray:
    """Return the bootstrap SRCC [1000] on one task after the last task was learned.

    Raises:
        ConfigError: The record has no such readout.
    """
    check_readout(record, readout)
    if record.draws is not None:
        return record.draws[record.readouts.index(readout), record.names.index(task)]
    key = ("draws", readout, task)
    if key not in record.cache:
        record.cache[key] = _draw(record, readout, task, record.mos)
    return record.cache[key]


class _Resampled(NamedTuple):
    """A difference of every seed, with both sides' SRCC on every resample (mean over seeds)."""

    task: str
    by_seed: tuple[float, ...]
    first: np.ndarray
    second: np.ndarray


def differences(runs: Runs, first: Pair, second: Pair) -> pd.DataFrame:
    """Compare two pairs of strategy and readout: each task by itself, then the mean over tasks.

    Args:
        runs: Records by strategy; the table is empty if the two share no seed.
        first: A strategy and a readout.
        second: Another, of runs with the same tasks.

    Returns:
        The columns :data:`COLUMNS`, with paired intervals.

    Raises:
        RecordError: Two records of one seed have other test images.
    """
    found = _resampled(runs, first, second)
    intervals = [metrics.paired_interval(one.first, one.second) for one in found]
    return _table([(first, second)] * len(found), found, intervals)


def simultaneous(
    runs: Runs, others: Sequence[Pair], reference: Pair, tasks: Sequence[str], level: float = 0.95
) -> pd.DataFrame:
    """Compare many with one, so that all intervals hold together with the level's probability.

    Every difference is studentised by its standard deviation over the resamples; the quantile, over
    resamples, of the largest of them all is the half-width of every interval in these units (the
    bootstrap "max t" of Westfall and Young, Resampling-Based Multiple Testing, 1993). It takes into
    account that all share test images, which makes their differences alike.

    Args:
        runs: Records by strategy.
        others: Strategies and readouts to compare with the reference.
        reference: What they are compared with.
        tasks: Tasks that count, or :data:`MEAN`: all combinations are one family.
        level: Coverage in (0, 1).

    Returns:
        The columns :data:`COLUMNS`, a row for every combination. Equal predictions have the
        interval [0, 0] and do not widen the others. Resamples without SRCC are left out.
    """
    pairs, found = [], []
    for other in others:
        own = [one for one in _resampled(runs, other, reference) if one.task in tasks]
        pairs += [(other, reference)] * len(own)
        found += own
    if not found:
        return pd.DataFrame(columns=COLUMNS)
    drawn = np.array([one.first - one.second for one in found])
    drawn = drawn[:, ~np.isnan(drawn).any(axis=0)]  # resamples of a constant have no SRCC
    width = np.full(len(found), np.nan)
    if drawn.shape[1] > 1:
        deviation = drawn.std(axis=1, ddof=1)
        moving = deviation > 0
        width = np.zeros(len(found))
        if moving.any():
            centred = drawn[moving] - drawn[moving].mean(axis=1, keepdims=True)
            largest = np.abs(centred / deviation[moving, None]).max(axis=0)
            width[moving] = np.quantile(largest, level) * deviation[moving]
    centres = [np.mean(one.by_seed) for one in found]
    ends = [(centre - half, centre + half) for centre, half in zip(centres, width, strict=True)]
    return _table(pairs, found, ends)


def _table(
    pairs: Sequence[tuple[Pair, Pair]],
    found: Sequence[_Resampled],
    intervals: Sequence[tuple[float, float]],
) -> pd.DataFrame:
    rows = []
    for (first, second), one, (low, high) in zip(pairs, found, intervals, strict=True):
        value = float(np.mean(one.by_seed))
        known = (label(*first), label(*second), one.task, value, low, high, one.by_seed)
        rows.append((*known, verdict(value, low, high, one.by_seed)))
    return pd.DataFrame(rows, columns=COLUMNS)


def _resampled(runs: Runs, first: Pair, second: Pair) -> list[_Resampled]:
    """Compare two on the same resamples: every task, then the mean over tasks."""
    matched = _matched(runs, first[0], second[0])
    found = []
    for task in matched[0][0].order if matched else ():
        finals, resampled = [], []
        for side, (_, readout) in enumerate((first, second)):
            records = [pair[side] for pair in matched]
            finals.append([srcc(one, readout, one.order, task) for one in records])
            resampled.append(_mean_draws(records, readout, task))
        found.append(_Resampled(task, tuple(np.subtract(*finals).tolist()), *resampled))
    if len(found) > 1:
        by_seed = tuple(np.mean([one.by_seed for one in found], axis=0).tolist())
        sides = (np.mean([one[side] for one in found], axis=0) for side in (2, 3))
        found.append(_Resampled(MEAN, by_seed, *sides))
    return found


def _matched(runs: Runs, first: str, second: str) -> list[tuple[RunRecord, RunRecord]]:
    """Pair the records of two strategies by seed, after a check that both saw the same images."""
    others = {record.config.seed: record for record in runs.get(second, ())}
    pairs = [
        (record, others[record.config.seed])
        for record in runs.get(first, ())
        if record.config.seed in others
    ]
    for one, other in pairs:
        if one.test_images != other.test_images:
            raise RecordError(
                f"the records {one.description.run_id} and {other.description.run_id} have other "
                "test images, so they cannot be compared; run one of them again on the data of "
                "the other"
            )
    return pairs


def _mean_draws(records: Sequence[RunRecord], readout: str, task: str) -> np.ndarray:
    """Average bootstrap draws [1000] over seeds.

    Every record resamples by (task, split) alone. Where each seed draws images of its own, the test
    sets are independent and so must their resamples be: draws are shifted by the seed.
    """
    shift = 101 if records[0].tasks[task].simulated else 0
    return np.mean(
        [np.roll(draws(record, readout, task), shift * record.config.seed) for record in records],
        axis=0,
    )

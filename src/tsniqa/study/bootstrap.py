"""Bootstrap draws, differences between strategies on the same test images, and their verdict.

Images of one reference content are not independent, so whole references are resampled. A run is
one seed of one split. Of several runs, runs are resampled first and references within each of them,
so that an interval also says how far learning again matters; of one run, it holds for the networks
as they were trained, and tables say so. As resamples of few runs spread less than new runs would,
an interval never is narrower than Student's t interval of the runs (:func:`interval`). A difference
is called higher or lower if its interval excludes 0; but neither a task whose test images show
fewer than ten references nor a mean that counts it resolves anything.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import t as student

from tsniqa import metrics
from tsniqa.errors import RecordError
from tsniqa.seeds import generator
from tsniqa.study.comparison import Pair, Runs, label, shared
from tsniqa.study.evaluation import check_readout, predictions, srcc
from tsniqa.study.record import DRAW_SCALE, RunRecord

FEWEST_REFERENCES = 10  # with fewer in a task's test set, resamples repeat and nothing is resolved
DRAWS = 1000  # their resampling depends on (task, split) alone, so any two records pair
MEAN = "mean over tasks"  # what the mean of all tasks' SRCC is called

#: Of differences in final SRCC: labels, a task or MEAN, the mean over the runs that both have, ends
#: of its 95% interval, how many runs (:func:`how_many`), the difference of each (a tuple), verdict.
COLUMNS = ["first", "second", "task", "difference", "low", "high", "runs", "by run", "verdict"]


def verdict(difference: float, low: float, high: float) -> str:
    """Judge a difference with its interval: ``higher``, ``lower``, ``equal``, ``not resolved``.

    Equal means that value and interval are exactly 0, as with predictions that are the same. Not
    resolved means that the interval contains 0 or is missing.
    """
    if difference == low == high == 0:
        return "equal"
    return "higher" if low > 0 else "lower" if high < 0 else "not resolved"


def interval(drawn: np.ndarray, by_run: Sequence[float]) -> tuple[float, float]:
    """Return a 95% interval of a mean over runs: of resamples and of the runs, both covered.

    Args:
        drawn: Its resamples, as of :func:`over_runs`.
        by_run: The value of every run. Of two or more, the interval is widened to where Student's t
            interval of their mean ends: with three runs, each resample that excludes two of them is
            as frequent as 1 in 27, so resampling alone would call much of the noise of learning a
            difference.
    """
    low, high = metrics.interval(drawn)
    if len(by_run) > 1:
        mean, half = float(np.mean(by_run)), half_width(by_run)
        low, high = min(low, mean - half), max(high, mean + half)
    return low, high


def half_width(by_run: Sequence[float]) -> float:
    """Return the half-width of Student's 95% interval of the mean of runs; of one run it is 0."""
    if len(by_run) < 2:
        return 0.0
    error = np.std(by_run, ddof=1) / np.sqrt(len(by_run))
    return float(student.ppf(0.975, len(by_run) - 1) * error)


def how_many(runs: int) -> str:
    """Write a number of runs: with ``one run``, an interval leaves learning out."""
    return "one run" if runs == 1 else f"{runs} runs"


def reference_count(record: RunRecord, task: str) -> int:
    """Count the references that a task's test images show."""
    return len(np.unique(record.references[record.rows(task)]))


def resolvable(record: RunRecord) -> list[str]:
    """Name the tasks that a verdict may rest on: whose test images show ten references or more."""
    return [task for task in record.order if reference_count(record, task) >= FEWEST_REFERENCES]


def resamples(record: RunRecord, task: str) -> np.ndarray:
    """Return :func:`reference_resamples` of a task's test images; all records of a split agree."""
    return reference_resamples(record.references[record.rows(task)], task, record.config.split)


def reference_resamples(references: np.ndarray, *names: str) -> np.ndarray:
    """Return how often each of 1,000 resamples has each of n images, [1000, n].

    As many references as there are, drawn with replacement, with all images of each.

    Args:
        references: The content of every image [n].
        *names: What the draws are seeded by.
    """
    _, reference = np.unique(references, return_inverse=True)
    count = reference.max() + 1
    drawn = generator(0, *names).integers(0, count, size=(DRAWS, count))
    place = (drawn + count * np.arange(DRAWS)[:, None]).ravel()
    return np.bincount(place, minlength=DRAWS * count).reshape(DRAWS, count)[:, reference]


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


def over_runs(records: Sequence[RunRecord], readout: str, task: str) -> np.ndarray:
    """Draw the bootstrap of a task's mean SRCC over runs, float [1000]: runs, then references.

    Args:
        records: Runs of one strategy, sorted by :func:`tsniqa.study.comparison.run_key`, so that
            two strategies with the same runs are resampled alike, as are all tasks.
        readout: One of theirs.
        task: One of theirs.

    Runs are the unit even where the splits of human-rated images share some of them.
    """
    table = np.array([draws(record, readout, task) for record in records])
    if len(records) == 1:
        return table[0]
    slots = np.arange(len(records))[:, None]
    picked = generator(0, "runs", str(len(records))).integers(
        0, len(records), (len(records), DRAWS)
    )
    # Runs with test sets of their own are resampled apart, also one that is picked twice.
    alike = len({one.config.split for one in records}) == 1 and not records[0].tasks[task].simulated
    shift = 0 if alike else 101
    return table[picked, (np.arange(DRAWS) + shift * slots) % DRAWS].mean(axis=0)


class _Compared(NamedTuple):
    """A difference on one task (or the mean): of every run, and of their mean's resamples.

    ``references`` is how many the test images show; of a mean, those of its poorest task.
    """

    labels: tuple[str, str]
    task: str
    by_run: tuple[float, ...]
    drawn: np.ndarray
    references: int

    def row(self, low: float, high: float) -> tuple:
        value, runs = float(np.mean(self.by_run)), how_many(len(self.by_run))
        judged = verdict(value, low, high)
        if self.references < FEWEST_REFERENCES and judged != "equal":
            judged = "not resolved"
        return (*self.labels, self.task, value, low, high, runs, self.by_run, judged)


def differences(
    runs: Runs, first: Pair, second: Pair, tasks: Sequence[str] | None = None
) -> pd.DataFrame:
    """Compare two pairs of strategy and readout: each task by itself, then the mean over tasks.

    Args:
        runs: Records by strategy.
        first: A strategy and a readout.
        second: The same, to be subtracted.
        tasks: Names of tasks that count; default all.

    Returns:
        The columns :data:`COLUMNS`, with paired intervals; no row if the two share no run.

    Raises:
        RecordError: Two records of one run have other test images.
    """
    found = _compared(runs, first, second, tasks)
    rows = [one.row(*interval(one.drawn, one.by_run)) for one in found]
    return pd.DataFrame(rows, columns=COLUMNS)


def simultaneous(
    runs: Runs, others: Sequence[Pair], reference: Pair, tasks: Sequence[str]
) -> pd.DataFrame:
    """Compare many with one, so that all intervals hold together over references, with 95%.

    Of plain intervals of many comparisons, some miss 0 by chance. Here, every difference is
    studentised by its standard deviation over the resamples; the quantile, over resamples, of the
    largest of them all is the half-width of every interval in these units (the bootstrap "max t" of
    Westfall and Young, Resampling-Based Multiple Testing, 1993). It takes into account that all
    share test images, which makes their differences alike. None is narrower than the runs allow
    (:func:`half_width`); where these decide the width, an interval holds by itself alone.

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
    drawn = np.array([one.drawn for one in found])
    drawn = drawn[:, ~np.isnan(drawn).any(axis=0)]  # resamples of a constant have no SRCC
    width = np.full(len(found), np.nan)
    if drawn.shape[1] > 1:
        width = deviation = drawn.std(axis=1, ddof=1)
        moving = deviation > 0
        if moving.any():
            centred = drawn[moving] - drawn[moving].mean(axis=1, keepdims=True)
            largest = np.abs(centred / deviation[moving, None]).max(axis=0)
            width = np.quantile(largest, 0.95) * deviation
    width = np.maximum(width, [half_width(one.by_run) for one in found])
    rows = [
        one.row(np.mean(one.by_run) - half, np.mean(one.by_run) + half)
        for one, half in zip(found, width, strict=True)
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _compared(
    runs: Runs, first: Pair, second: Pair, tasks: Sequence[str] | None = None
) -> list[_Compared]:
    """Compare two on the same resamples, runs paired: every task, then the mean over tasks."""
    own, others = shared(runs, first[0], second[0])
    for one, other in zip(own, others, strict=True):
        if one.test_images != other.test_images:
            raise RecordError(
                f"the records {one.description.run_id} and {other.description.run_id} have other "
                "test images, so they cannot be compared; run one again on the data of the other"
            )
    labels, found = (label(*first), label(*second)), []
    for task in own[0].order if own else ():
        if tasks is not None and task not in tasks:
            continue
        sides = (own, first[1]), (others, second[1])
        finals = [[srcc(one, use, one.order, task) for one in records] for records, use in sides]
        drawn = np.subtract(*(over_runs(records, use, task) for records, use in sides))
        fewest = min(reference_count(one, task) for one in own)
        found.append(_Compared(labels, task, tuple(np.subtract(*finals).tolist()), drawn, fewest))
    if len(found) > 1:
        by_run = tuple(np.mean([one.by_run for one in found], axis=0).tolist())
        mean = np.mean([one.drawn for one in found], axis=0)
        found.append(_Compared(labels, MEAN, by_run, mean, min(one.references for one in found)))
    return found

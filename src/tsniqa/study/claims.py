"""What the papers say in words, judged on the records of other data.

A claim says that a measure is higher (or lower) with one way than with another. For the mean SRCC
after the last task the paired bootstrap interval decides, in every run; for the other measures, of
which records hold no bootstrap draws, the sign of the difference does, of two runs at least. Runs
must agree.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from tsniqa.study import evaluation as tables
from tsniqa.study.bootstrap import differences as differences_of
from tsniqa.study.published import Claim, Published, plain_records
from tsniqa.study.record import RunRecord
from tsniqa.study.ways import Way, measures

HOLDS, DOES_NOT_HOLD = "holds", "does not hold"
NOT_RESOLVED, NOT_RUN = "not resolved", "not run"

FEWEST = 2
"""Runs that a verdict by sign needs: one run has neither an interval nor another to agree with."""

BOOTSTRAPPED = "mean SRCC"
"""The measure whose bootstrap draws records hold: the mean over tasks after the last task."""


class Judgement(NamedTuple):
    """A claim judged on one preset.

    Attributes:
        verdict: ``holds``, ``does not hold``, ``not resolved`` or ``not run``.
        differences: First minus second, one value a run (or one of the spreads over orders).
        intervals: Their paired 95% intervals; empty where the sign decides.
    """

    verdict: str
    differences: tuple[float, ...] = ()
    intervals: tuple[tuple[float, float], ...] = ()

    @property
    def text(self) -> str:
        """The verdict with its numbers, for a table."""
        if not self.differences:
            return self.verdict
        shown = [f"{value:+.3f}" for value in self.differences]
        if self.intervals:
            ends = [f" [{low:+.3f}, {high:+.3f}]" for low, high in self.intervals]
            shown = [value + end for value, end in zip(shown, ends, strict=True)]
        return f"{self.verdict}: {', '.join(shown)}"


def judge(claim: Claim, results_dir: Path, preset: str) -> Judgement:
    """Judge a claim on the published records of a preset.

    Args:
        claim: A claim.
        results_dir: Folder of published records; it need not exist.
        preset: Name of the preset; its own task order counts, unless the claim is about orders.
    """
    if claim.by == "order spread":
        return _judge_spread(claim, results_dir, preset)
    pairs = _pairs(
        _own_order(plain_records(results_dir, preset, claim.first.strategy)),
        _own_order(plain_records(results_dir, preset, claim.second.strategy)),
    )
    if not pairs:
        return Judgement(NOT_RUN)
    sides = (claim.first, claim.second)
    differences, intervals = [], []
    for pair in pairs:
        first, second = (
            measures(record, side.use)[claim.measure]
            for record, side in zip(pair, sides, strict=True)
        )
        differences.append(float(first - second))
        if claim.measure == BOOTSTRAPPED:
            runs = {"first": [pair[0]], "second": [pair[1]]}
            ways = [Way(name, side.use) for name, side in zip(runs, sides, strict=True)]
            found = differences_of(runs, *ways)[-1]
            intervals.append((found.low, found.high))
    if not intervals:
        return _by_sign(differences, claim.expected)
    return Judgement(_verdict(intervals, claim.expected), tuple(differences), tuple(intervals))


def claim_table(published: Published, results_dir: Path, presets: list[str]) -> pd.DataFrame:
    """Judge every claim on every preset.

    Args:
        published: From :func:`tsniqa.study.published.load_published`.
        results_dir: Folder of published records.
        presets: Names of presets.

    Returns:
        One row a claim: ``claim``, ``source``, ``judged by``, then a column a preset with the
        verdict and its numbers.
    """
    return pd.DataFrame(
        {
            "claim": claim.claim,
            "source": f"{claim.source}, {claim.where}",
            "judged by": judged_by(claim),
            **{preset: judge(claim, results_dir, preset).text for preset in presets},
        }
        for claim in published.claims.values()
    )


def judged_by(claim: Claim) -> str:
    """Say in one line what is compared."""
    what = f"spread of {claim.measure} over orders" if claim.by != "value" else claim.measure
    return f"{what}: {claim.first.label} {claim.expected} than {claim.second.label}"


def verdict_counts(table: pd.DataFrame, preset: str) -> str:
    """Count the verdicts on one preset in words.

    Args:
        table: From :func:`claim_table`.
        preset: One of its presets.
    """
    found = [text.partition(":")[0] for text in table[preset]]
    counts = [
        f"{name} {found.count(name)}" for name in (HOLDS, DOES_NOT_HOLD, NOT_RESOLVED, NOT_RUN)
    ]
    return f"{preset}, {len(found)} claim{'s' * (len(found) != 1)}: {', '.join(counts)}"


def _verdict(bounds: list[tuple[float, float]], expected: str) -> str:
    """Judge lower and upper ends of differences, one pair a run; all must lie on one side of 0."""
    signs = {int(low > 0) - int(high < 0) for low, high in bounds}
    if signs not in ({1}, {-1}):
        return NOT_RESOLVED
    return HOLDS if signs == {1 if expected == "higher" else -1} else DOES_NOT_HOLD


def _by_sign(differences: list[float], expected: str) -> Judgement:
    verdict = _verdict([(value, value) for value in differences], expected)
    if len(differences) < FEWEST:
        verdict = NOT_RESOLVED
    return Judgement(verdict, tuple(differences))


def _own_order(records: list[RunRecord]) -> list[RunRecord]:
    return [record for record in records if record.order == list(record.description.preset.tasks)]


def _pairs(first: list[RunRecord], second: list[RunRecord]) -> list[tuple[RunRecord, RunRecord]]:
    """Pair records of one seed, split and order that saw the same images and initial network."""
    others = {_conditions(record): record for record in second}
    return [
        (record, others[_conditions(record)]) for record in first if _conditions(record) in others
    ]


def _conditions(record: RunRecord) -> tuple[object, ...]:
    images = tuple((task.name, task.fingerprint) for task in record.description.tasks)
    backbone = record.description.fingerprints["backbone"]
    return record.config.seed, record.config.split, images, backbone


def _judge_spread(claim: Claim, results_dir: Path, preset: str) -> Judgement:
    """Compare largest minus smallest value over the orders of the second way's records."""
    firsts = plain_records(results_dir, preset, claim.first.strategy)
    seconds = plain_records(results_dir, preset, claim.second.strategy)
    differences = []
    for settings in sorted({_setting(record) for record in seconds}):
        runs = [record for record in seconds if _setting(record) == settings]
        own = [record for record in firsts if _setting(record) == settings]
        values = [
            [_in_order(own, claim.first.use, claim.measure, record.order) for record in runs],
            [measures(record, claim.second.use)[claim.measure] for record in runs],
        ]
        if len(runs) > 1 and not np.isnan(values).any():
            first, second = (float(np.ptp(one)) for one in values)
            differences.append(first - second)
    if not differences:
        return Judgement(NOT_RUN)
    return _by_sign(differences, claim.expected)


def _setting(record: RunRecord) -> tuple[int, str]:
    return record.config.seed, record.config.split


def _in_order(records: list[RunRecord], use: str, measure: str, order: list[str]) -> float:
    """Return a measure in one order: that of a run in it, or derived where heads do not drift."""
    for record in records:
        if record.order == order:
            return measures(record, use)[measure]
    for record in records:
        # With one head a task that later tasks leave alone, one run has the result of every order.
        alone = record.description.gated and not record.description.drifting
        if alone and sorted(record.order) == sorted(order):
            return tables.summary(record, use, order)[measure]
    return float("nan")

"""Expectations stated before a run, each with a verdict that the numbers give.

The wording is computed, so it stays right whatever the numbers turn out to be.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from tsniqa.study import evaluation as tables
from tsniqa.study.bootstrap import MEAN, Difference, differences
from tsniqa.study.record import RunRecord
from tsniqa.study.ways import Runs, Way

NEAR = 0.05
"""Two mean SRCC are called near if the whole interval of their difference lies within this."""

VISIBLE = 0.05
"""A task is called visibly forgotten if its SRCC drops by at least this much, on average."""

NOT_RUN = "not run"


class Verdict(NamedTuple):
    """What was expected, what was measured, and how the two agree.

    Attributes:
        expectation: A sentence.
        measured: The numbers, as a sentence.
        verdict: ``holds``, ``does not hold``, ``not resolved`` or ``not run``.
    """

    expectation: str
    measured: str
    verdict: str


def expectations(runs: Runs) -> list[Verdict]:
    """Judge the expectations of the comparison page.

    Args:
        runs: Records by strategy; what is missing is ``not run``.
    """
    return [
        oracle_is_stable(runs.get("tsn", ())),
        gated_beats_sequential(runs),
        oracle_is_near_separate(runs),
        sequential_forgets(runs.get("sequential", ())),
        sequential_is_less_stable(runs),
        separate_bounds_plasticity(runs),
    ]


def oracle_is_stable(records: Sequence[RunRecord]) -> Verdict:
    """Judge whether TSN's stability with the oracle head is 1, exactly, for every seed."""
    expectation = "TSN with the oracle head: mSI is exactly 1."
    if not records:
        return Verdict(expectation, "–", NOT_RUN)
    values = [tables.summary(record, "oracle")["mSI"] for record in records]
    measured = f"mSI = {', '.join(repr(float(value)) for value in values)} (one number a seed)"
    return Verdict(expectation, measured, _holds(all(value == 1.0 for value in values)))


def gated_beats_sequential(runs: Runs) -> Verdict:
    """Judge whether gated TSN ends above sequential fine-tuning, by the paired interval."""
    expectation = "At the end, TSN gated lies above sequential fine-tuning in mean SRCC."
    found = _mean_difference(runs, Way("tsn", "gated"), Way("sequential", "single"))
    if found is None:
        return Verdict(expectation, "–", NOT_RUN)
    verdicts = {"higher": "holds", "not resolved": "not resolved"}
    return Verdict(expectation, _sentence(found), verdicts.get(found.verdict, "does not hold"))


def oracle_is_near_separate(runs: Runs) -> Verdict:
    """Judge whether TSN and separate models, both with the oracle head, are near."""
    expectation = (
        f"TSN with the oracle head is near separate models: within {NEAR} in final mean SRCC."
    )
    found = _mean_difference(runs, Way("tsn", "oracle"), Way("separate", "oracle"))
    if found is None:
        return Verdict(expectation, "–", NOT_RUN)
    if found.low >= -NEAR and found.high <= NEAR:
        verdict = "holds"
    elif found.low > NEAR or found.high < -NEAR:
        verdict = "does not hold"
    else:
        verdict = "not resolved"
    return Verdict(expectation, _sentence(found), verdict)


def sequential_forgets(records: Sequence[RunRecord]) -> Verdict:
    """Judge whether sequential fine-tuning loses SRCC on tasks between learning them and the end.

    It holds if the mean drop over the tasks before the last is at least :data:`VISIBLE` for every
    seed, and does not hold if it is below that for every seed.
    """
    expectation = (
        f"Sequential fine-tuning visibly forgets: earlier tasks lose at least {VISIBLE} SRCC, on "
        "average, between learning them and the end."
    )
    drops = [mean_drop(record) for record in records if len(record.order) > 1]
    if not drops:
        return Verdict(expectation, "–", NOT_RUN)
    measured = f"mean drop {', '.join(f'{drop:+.3f}' for drop in drops)} (one number a seed)"
    visible = [drop >= VISIBLE for drop in drops]
    if any(visible) != all(visible) or np.isnan(drops).any():
        return Verdict(expectation, measured, "not resolved")
    return Verdict(expectation, measured, _holds(all(visible)))


def sequential_is_less_stable(runs: Runs) -> Verdict:
    """Judge whether sequential fine-tuning is less stable than TSN gated, seed by seed.

    It holds if mSI is lower by at least :data:`VISIBLE` for every seed that both have, and does not
    hold if it is so for none.
    """
    expectation = (
        f"Sequential fine-tuning is less stable than TSN gated: its mSI is lower by at least "
        f"{VISIBLE}."
    )
    others = {record.config.seed: record for record in runs.get("sequential", ())}
    gaps = [
        tables.summary(record, "gated")["mSI"]
        - tables.summary(others[record.config.seed], "single")["mSI"]
        for record in runs.get("tsn", ())
        if record.config.seed in others
    ]
    if not gaps:
        return Verdict(expectation, "–", NOT_RUN)
    gap = ", ".join(f"{value:+.3f}" for value in gaps)
    measured = f"mSI of TSN gated minus that of sequential = {gap} (one number a seed)"
    clear = [value >= VISIBLE for value in gaps]
    if any(clear) != all(clear) or np.isnan(gaps).any():
        return Verdict(expectation, measured, "not resolved")
    return Verdict(expectation, measured, _holds(all(clear)))


def separate_bounds_plasticity(runs: Runs) -> Verdict:
    """Judge whether any strategy learns new tasks better than separate models do, seed by seed.

    Compared is mPI, each strategy's best use; it holds if none exceeds separate models by more than
    :data:`NEAR` with any seed, and does not hold if one does with every seed.
    """
    expectation = f"Separate models bound the plasticity: no other mPI is more than {NEAR} above."
    best: dict[int, dict[str, float]] = {}
    for name, records in runs.items():
        for record in records:
            values = [tables.summary(record, use)["mPI"] for use in record.uses]
            if not np.isnan(values).all():
                best.setdefault(record.config.seed, {})[name] = float(np.nanmax(values))
    gaps, sentences = [], []
    for own in best.values():
        bound = own.pop("separate", float("nan"))
        if own and not np.isnan(bound):
            highest = max(own, key=lambda name: own[name])
            gaps.append(own[highest] - bound)
            sentences.append(f"{highest} {gaps[-1]:+.3f}")
    if not gaps:
        return Verdict(expectation, "–", NOT_RUN)
    measured = f"the highest of the others, minus separate: {', '.join(sentences)} (one a seed)"
    above = [gap > NEAR for gap in gaps]
    if any(above) != all(above):
        return Verdict(expectation, measured, "not resolved")
    return Verdict(expectation, measured, _holds(not any(above)))


def mean_drop(record: RunRecord) -> float:
    """Measure forgetting: SRCC right after learning minus SRCC at the end, mean of earlier tasks.

    Args:
        record: A run of at least two tasks; the first way to use its heads counts.

    Returns:
        A positive number if the model forgets; NaN for a strategy without intermediate states.
    """
    matrix = tables.srcc_matrix(record, record.uses[0])
    return float((matrix.diagonal() - matrix[-1])[:-1].mean())


def verdict_table(verdicts: Sequence[Verdict]) -> pd.DataFrame:
    """Lay verdicts out for readers."""
    return pd.DataFrame(verdicts, columns=["expectation", "measured", "verdict"])


def count_sentence(found: Sequence[Difference], what: str, other: str) -> str:
    """Say in one sentence how many differences are resolved, and which way.

    Args:
        found: Differences, the mean over tasks among them or not (it is left out of the count).
        what: What comes first in the differences, as a noun.
        other: What comes second.
    """
    single = [one for one in found if one.task != MEAN]
    counted: Mapping[str, int] = {
        verdict: sum(one.verdict == verdict for one in single)
        for verdict in ("higher", "lower", "equal", "not resolved")
    }
    sentence = (
        f"Of {len(single)} tasks, {what} is higher than {other} on {counted['higher']}, lower on "
        f"{counted['lower']}, equal on {counted['equal']}, and the difference is not resolved on "
        f"{counted['not resolved']}."
    )
    means = [one for one in found if one.task == MEAN]
    return " ".join([sentence, *(f"Mean over the tasks: {_sentence(one)}." for one in means)])


def _mean_difference(runs: Runs, first: Way, second: Way) -> Difference | None:
    """Return the difference of the means over tasks (or of the only task); None if not run."""
    if not runs.get(first.strategy) or not runs.get(second.strategy):
        return None
    found = differences(runs, first, second)
    return found[-1] if found else None


def _sentence(found: Difference) -> str:
    resolved = "" if found.verdict != "not resolved" else ", not resolved"
    return (
        f"{found.first} minus {found.second} = {found.value:+.3f} "
        f"(95% interval {found.low:+.3f} to {found.high:+.3f}{resolved})"
    )


def _holds(condition: bool) -> str:
    return "holds" if condition else "does not hold"

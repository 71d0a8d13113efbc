"""The headline of a study: SRCC over all tasks, and how much of what is to be gained is gained.

Head-only learning and separate models are the two ends: a head for every task on the untouched
network, and a whole network for every task. A strategy's share of the gap between them says what
its way of adapting the network is worth.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from tsniqa.study.bootstrap import how_many, interval, over_runs
from tsniqa.study.comparison import Runs, label, pairs, run_key, shared
from tsniqa.study.evaluation import srcc
from tsniqa.study.record import RunRecord

READOUTS = ("oracle", "gated", "calibrated", "set", "uniform", "single")
"""Readouts of the headline; ``single`` is of strategies with one head."""

ENDS = ("head-only", "separate")
"""The strategies whose oracle SRCC is 0 and 1 of the gap."""

#: Values with the ends of their 95% intervals: ``weighted`` by test images, ``share`` of the gap;
#: ``note`` says why there is no share.
COLUMNS = [
    "label", "strategy", "readout", "runs",
    "mean SRCC", "mean low", "mean high",
    "weighted SRCC", "weighted low", "weighted high",
    "share", "share low", "share high", "note",
]  # fmt: skip


class Mean(NamedTuple):
    """A final SRCC averaged over tasks: of every run, and bootstrap draws [1000] of their mean."""

    by_run: np.ndarray
    draws: np.ndarray

    @property
    def value(self) -> float:
        """The mean over runs."""
        return float(self.by_run.mean())

    @property
    def interval(self) -> tuple[float, float]:
        """Its 95% interval (:func:`tsniqa.study.bootstrap.interval`)."""
        return interval(self.draws, self.by_run)

    @classmethod
    def of(
        cls,
        records: Sequence[RunRecord],
        readout: str,
        tasks: Sequence[str] | None = None,
        weighted: bool = False,
    ) -> "Mean":
        """Average some tasks (None: all) of some runs, sorted as :func:`over_runs` wants them.

        Tasks count alike, or ``weighted`` by their test images.
        """
        order = list(tasks or records[0].order)
        counts = [len(records[0].test_images[task]) if weighted else 1 for task in order]
        finals = [[srcc(one, readout, one.order, task) for task in order] for one in records]
        drawn = [over_runs(records, readout, task) for task in order]
        by_run = np.average(finals, axis=1, weights=counts)
        return cls(by_run, np.average(drawn, axis=0, weights=counts))


def headline(runs: Runs, tasks: Sequence[str] | None = None) -> pd.DataFrame:
    """Tabulate mean and image-weighted SRCC over tasks after the last one, and shares of the gap.

    Means are over all tasks that were learned, or over some of them.

    The share is (strategy - head-only) / (separate - head-only) of the mean oracle SRCC over the
    runs that the three have; of a strategy with one head, of its only SRCC. Intervals resample runs
    and references as :mod:`tsniqa.study.bootstrap` does, the share's those of all three alike.

    Returns:
        The columns :data:`COLUMNS`, a row for each of :data:`READOUTS` of every strategy. NaN where
        there is no share: other readouts, and where ``note`` gives a reason.
    """
    rows = []
    for name, readout in pairs(runs):
        if readout in READOUTS:
            records = sorted(runs[name], key=run_key)
            row = [label(name, readout), name, readout, how_many(len(records))]
            for weighted in (False, True):
                mean = Mean.of(records, readout, tasks, weighted)
                row += [mean.value, *mean.interval]
            share = (np.nan,) * 3, ""
            if readout in ("oracle", "single"):
                share = _share(runs, name, readout, tasks)
            rows.append([*row, *share[0], share[1]])
    return pd.DataFrame(rows, columns=COLUMNS)


def _share(
    runs: Runs, name: str, readout: str, tasks: Sequence[str] | None
) -> tuple[tuple[float, float, float], str]:
    """Return a strategy's share of the gap with the ends of its interval, and a note."""
    missing = (np.nan,) * 3
    if absent := [end for end in ENDS if not runs.get(end)]:
        return missing, f"no run of {', '.join(absent)}"
    own, *ends = shared(runs, name, *ENDS)
    if not own:
        return missing, f"no run that {', '.join(ENDS)} have, too"
    own = Mean.of(own, readout, tasks)
    zero, one = (Mean.of(records, "oracle", tasks) for records in ends)
    low, high = interval(one.draws - zero.draws, one.by_run - zero.by_run)
    if not (low > 0 or high < 0):
        return missing, f"the gap's interval, {low:.3f} to {high:.3f}, contains 0"
    drawn = (own.draws - zero.draws) / (one.draws - zero.draws)
    share = (own.value - zero.value) / (one.value - zero.value)
    by_run = (own.by_run - zero.by_run) / (one.by_run - zero.by_run)
    return (share, *interval(drawn, by_run)), ""

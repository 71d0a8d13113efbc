"""Every task order from one training, and heads that need not be evaluated.

Source: the two consequences in the book's method chapter. A strategy that learns each task apart
from all others has one final model, whatever the order; and every intermediate state belongs to a
set of tasks, so the measures of all orders follow from the scores of one run.
"""

from collections.abc import Sequence
from itertools import permutations
from math import factorial

import numpy as np
import pandas as pd

from tsniqa.errors import ConfigError
from tsniqa.metrics import srcc
from tsniqa.model.readouts import Skipped, skip_heads
from tsniqa.study.evaluation import LARGEST_POWERSET, summary
from tsniqa.study.inspection import gate_weights
from tsniqa.study.record import RunRecord

MEASURES = ["mPI", "mSI", "mPSI", "mSRCC", "MPSR", "mean SRCC"]
"""Measures given for every order; ``mean SRCC``, of the final model, is the same for all."""

TOLERANCES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
"""Largest skipped weights delta that the book tabulates."""

ROUNDING = 1e-9
"""Means summed in different sequences differ by less than this."""


def all_orders(record: RunRecord, readout: str = "gated") -> pd.DataFrame:
    """Compute the measures of every order of a run's tasks.

    Returns:
        One row an order: ``order`` (a tuple of names), then :data:`MEASURES`.

    Raises:
        ConfigError: The strategy's results depend on the order, or there are too many tasks.
    """
    kind = record.description
    if not kind.gated or kind.all_at_once or kind.order_dependent:
        raise ConfigError(
            f"other orders do not follow from a run of '{record.strategy}', where a task is "
            "not learned apart from the others; use a strategy that does so, such as tsn"
        )
    if len(record.names) > LARGEST_POWERSET:
        raise ConfigError(
            f"{len(record.names)} tasks have too many orders; run at most {LARGEST_POWERSET} tasks"
        )
    orders = list(permutations(record.names))
    table = pd.DataFrame([summary(record, readout, order) for order in orders])
    return pd.DataFrame({"order": orders}).join(table[MEASURES])


def counts(tasks: int) -> dict[str, int]:
    """Count what all orders of some tasks need.

    Returns:
        ``orders`` T!, ``states`` 2^T - 1 non-empty sets, ``correlations`` T 2^(T-1) with opinions
        for every S, ``agreements`` T 3^(T-1) between predictions for every stability.
    """
    return {
        "orders": factorial(tasks),
        "states": 2**tasks - 1,
        "correlations": tasks * 2 ** (tasks - 1),
        "agreements": tasks * 3 ** (tasks - 1),
    }


def spread(table: pd.DataFrame, order: Sequence[str]) -> pd.DataFrame:
    """Summarise all orders, beside the one that was run.

    Returns:
        One row a measure: ``this order``, its ``rank`` in percent (of all orders, how many come out
        lower), ``reversed``, ``mean``, ``std``, ``lowest``, ``highest``.
    """
    values, names = table[MEASURES], tuple(order)
    this, back = (values[table["order"] == one].iloc[0] for one in (names, names[::-1]))
    columns = {
        "this order": this,
        "rank": 100 * (values < this - ROUNDING).mean(),
        "reversed": back,
        "mean": values.mean(skipna=False),
        "std": values.std(ddof=0, skipna=False),
        "lowest": values.min(skipna=False),
        "highest": values.max(skipna=False),
    }
    return pd.DataFrame(columns)


def by_position(table: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Average a measure over all orders that have a task (row, by name) at a position (column)."""
    orders, values = np.array(table["order"].tolist()), table[measure].to_numpy()
    means = {
        name: [values[orders[:, position] == name].mean() for position in range(orders.shape[1])]
        for name in sorted(orders[0])
    }
    columns = range(1, orders.shape[1] + 1)
    return pd.DataFrame.from_dict(means, orient="index", columns=columns)


def bitwise_equal(first: RunRecord, second: RunRecord) -> pd.DataFrame:
    """Compare two runs of the same tasks, learned in different orders, bit for bit.

    Returns:
        One row a task: whether the scores of its ``head``, and the distances to its centroids
        (``gate``), are the same bits for every test image.

    Raises:
        ConfigError: The runs do not have the same tasks and test images.
    """
    if first.test_images != second.test_images:
        raise ConfigError(
            f"runs {first.description.run_id} and {second.description.run_id} do not have the "
            "same test images; compare runs of one preset, seed and split"
        )
    rows = {
        task: {
            "head": np.array_equal(first.head(task), second.head(task)),
            "gate": np.array_equal(first.distances[:, column], second.distances[:, column]),
        }
        for column, task in enumerate(first.names)
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def skipped_in(record: RunRecord, tolerance: float) -> tuple[Skipped, np.ndarray]:
    """Skip heads for all test images of a finished run, after its last task.

    Returns:
        What is left, and the absolute change [N] of the gated score; rows as in the record.

    Raises:
        ConfigError: The strategy has no gate, or the tolerance is out of range.
    """
    weights = np.concatenate([gate_weights(record, task) for task in record.names])
    heads = np.stack([record.head(task) for task in record.names], axis=1)
    skipped = skip_heads(heads, weights, tolerance)
    return skipped, np.abs(skipped.scores - (weights * heads).sum(axis=1))


def skipping_table(record: RunRecord, tolerances: Sequence[float] = TOLERANCES) -> pd.DataFrame:
    """Tabulate what skipping saves and what it changes.

    Returns:
        One row a tolerance delta: ``heads`` (mean number evaluated an image), ``mean change``,
        ``largest change``, ``bound`` (2 delta) and ``agreement`` (mean over tasks of the SRCC
        between scores with and without skipping; it needs no opinion scores).
    """
    whole, parts = skipped_in(record, 0.0)[0].scores, [record.rows(task) for task in record.names]
    rows = {}
    for tolerance in tolerances:
        skipped, change = skipped_in(record, tolerance)
        rows[tolerance] = {
            "heads": skipped.evaluated.mean(),
            "mean change": change.mean(),
            "largest change": change.max(),
            "bound": 2 * tolerance,
            "agreement": np.mean([srcc(skipped.scores[part], whole[part]) for part in parts]),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("skipped weight")

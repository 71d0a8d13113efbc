"""Every task order from one training, and heads that need not be evaluated.

Source: the two consequences in the book's method chapter. A strategy that learns each task apart
from all others has one final model, whatever the order; and every intermediate state belongs to a
set of tasks, so the measures of all orders follow from the scores of one run.
"""

from itertools import permutations
from typing import NamedTuple

import numpy as np
import pandas as pd

from tsniqa.errors import ConfigError
from tsniqa.study.evaluation import LARGEST_POWERSET, summary
from tsniqa.study.inspection import gate_weights
from tsniqa.study.record import RunRecord

MEASURES = ["mPI", "mSI", "mPSI", "mSRCC", "MPSR", "mean SRCC"]
"""Measures given for every order; ``mean SRCC``, of the final model, is the same for all."""


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


class Skipped(NamedTuple):
    """What is left when light heads are skipped; arrays [N].

    Attributes:
        scores: Renormalised scores from the heads that were evaluated.
        weight: Total weight delta of those that were not.
        evaluated: Number of evaluated heads (integers).
        bound: Certified largest change, ``delta (1 + |score|)``, at most 2 delta.
    """

    scores: np.ndarray
    weight: np.ndarray
    evaluated: np.ndarray
    bound: np.ndarray


def skip_heads(heads: np.ndarray, weights: np.ndarray, tolerance: float) -> Skipped:
    """Mix only the heads that matter; the gate's weights are known before any head is evaluated.

    For each image the lightest heads are skipped while their total weight is within the tolerance;
    the heaviest head is always evaluated.

    Args:
        heads: Scores [N, T] in [-1, 1].
        weights: The gate's weights [N, T], each row summing to 1.
        tolerance: Largest weight delta to skip, in [0, 1).

    Raises:
        ConfigError: The tolerance is out of range.
    """
    if not 0 <= tolerance < 1:
        raise ConfigError(f"the skipped weight must lie in [0, 1), not {tolerance:g}; lower it")
    order = np.argsort(weights, axis=1, kind="stable")
    total = np.cumsum(np.take_along_axis(weights, order, axis=1), axis=1)
    light = total <= tolerance
    light[:, -1] = False  # rounding must not skip the last head
    skipped = np.zeros(weights.shape, dtype=bool)
    np.put_along_axis(skipped, order, light, axis=1)
    kept = np.where(skipped, 0.0, weights)
    scores = (kept * heads).sum(axis=1) / kept.sum(axis=1)
    weight = np.where(skipped, weights, 0.0).sum(axis=1)
    return Skipped(scores, weight, (~skipped).sum(axis=1), weight * (1 + np.abs(scores)))


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

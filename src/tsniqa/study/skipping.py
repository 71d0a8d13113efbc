"""Skipping heads of little weight, with a certified bound on the change of the score.

Source: the second consequence in the book's method chapter. The gate's weights are known before any
head is evaluated; a skipped total weight of delta changes a score by at most 2 delta.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from tsniqa.errors import ConfigError
from tsniqa.metrics import srcc
from tsniqa.study import evaluation as tables
from tsniqa.study.record import RunRecord

TOLERANCES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
"""Largest skipped weights delta that the book tabulates."""


class Skipped(NamedTuple):
    """What is left when light heads are skipped; float64 arrays [N].

    Attributes:
        scores: Renormalised scores from the heads that were evaluated.
        weight: Total weight delta of those that were not.
        evaluated: Number of evaluated heads (integers).
        bound: Certified largest change, ``delta (1 + |score|)``.
    """

    scores: np.ndarray
    weight: np.ndarray
    evaluated: np.ndarray
    bound: np.ndarray


def skip_heads(heads: np.ndarray, weights: np.ndarray, tolerance: float) -> Skipped:
    """Mix only the heads that matter.

    For each image the lightest heads are skipped as long as their total weight stays at or below
    the tolerance; the heaviest head is always evaluated.

    Args:
        heads: Scores [N, T] in [-1, 1].
        weights: The gate's weights [N, T], each row summing to 1.
        tolerance: Largest weight delta to skip, in [0, 1).

    Returns:
        Scores and what was skipped.

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
    weights = np.concatenate([tables.gate_weights(record, task) for task in record.names])
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
    whole = skipped_in(record, 0.0)[0].scores
    rows = {}
    for tolerance in tolerances:
        skipped, change = skipped_in(record, tolerance)
        parts = [record.rows(task) for task in record.names]
        rows[tolerance] = {
            "heads": skipped.evaluated.mean(),
            "mean change": change.mean(),
            "largest change": change.max(),
            "bound": 2 * tolerance,
            "agreement": np.mean([srcc(skipped.scores[part], whole[part]) for part in parts]),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("skipped weight")

"""Readouts: from the scores of all heads to one quality score per image."""

from typing import NamedTuple

import numpy as np

from tsniqa.errors import ConfigError, unknown_name
from tsniqa.model.gating import TEMPERATURE, softmin_weights

MIXTURES = ("gated", "hard", "uniform", "centred")
"""Readouts that mix all heads seen so far."""

READOUTS = ("gated", "latest", "oracle", "hard", "uniform", "centred")
"""All readouts of several heads; ``oracle`` and ``latest`` pick one of them."""


def mix(
    heads: np.ndarray,
    distances: np.ndarray | None,
    readout: str,
    offsets: np.ndarray | None = None,
    temperature: float = TEMPERATURE,
) -> np.ndarray:
    """Mix the scores of the heads of all tasks seen so far.

    Args:
        heads: Float array [N, T], each head's score, tasks in name order.
        distances: The gate's, float array [N, T, stages]; ``uniform`` needs none.
        readout: ``gated`` (sum of gate weights times scores: the paper's method), ``hard`` (the
            head with the largest weight), ``uniform`` (the plain mean), or ``centred`` (gated,
            after every head's mean score over its own training images is subtracted).
        offsets: Float array [T], those means; ``centred`` alone needs them.
        temperature: See :func:`tsniqa.model.gating.softmin_weights`.

    Returns:
        Float64 array [N].

    Raises:
        ConfigError: The readout is unknown, or what it needs was not given.
    """
    heads = np.asarray(heads, dtype=np.float64)
    if readout == "uniform":
        return heads.mean(axis=1)
    if readout not in MIXTURES:
        raise unknown_name("readout", readout, MIXTURES)
    if distances is None or (readout == "centred" and offsets is None):
        needed = "gate distances" if distances is None else "head offsets"
        raise ConfigError(f"the readout '{readout}' needs {needed}, which this model does not have")
    weights = softmin_weights(distances, temperature)
    if readout == "hard":
        return heads[np.arange(len(heads)), weights.argmax(axis=1)]
    return (weights * (heads - offsets if readout == "centred" else heads)).sum(axis=1)


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

"""Readouts: from the scores of all heads to one quality score per image."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tsniqa.errors import ConfigError, unknown_name

MIXTURES = ("gated", "calibrated", "set", "hard", "uniform", "centred")
"""Readouts that mix all heads seen so far."""

READOUTS = ("gated", "calibrated", "set", "latest", "oracle", "hard", "uniform", "centred")
"""All readouts of several heads; ``oracle`` and ``latest`` pick one of them."""

ANALYTIC = ("calibrated", "set")
"""Those that standardise heads by their levels, and weigh them by the analytic gate."""

_NO_SPREAD = 1e-7  # float32 scores of the same image differ by 1e-8 from batch to batch


class Reading(NamedTuple):
    """What heads and gates say of N images; the last two are None where they were not asked.

    Attributes:
        heads: Float32 scores [N, H] in [-1, 1].
        distances: Those of the K-means gate, float32 [N, T, 2].
        gate_features: What the analytic gate reads, float32 [N, C3].
    """

    heads: np.ndarray
    distances: np.ndarray | None = None
    gate_features: np.ndarray | None = None

    @classmethod
    def joined(cls, parts: Sequence["Reading"]) -> "Reading":
        """Put the readings of several batches one after another."""
        columns = zip(*parts, strict=True)
        return cls(*(None if one[0] is None else np.concatenate(one) for one in columns))


class Level(NamedTuple):
    """Mean and spread (standard deviation) of a head's scores over its own training images."""

    mean: float
    spread: float

    @classmethod
    def of(cls, scores: np.ndarray) -> "Level":
        """Measure scores [n]; a head that says the same of all images has the spread 1.

        Scores that are no numbers, of a head that has diverged, count as 0.
        """
        values = np.asarray(scores, dtype=np.float64)
        values = np.where(np.isfinite(values), values, 0.0)
        spread = float(values.std())
        return cls(float(values.mean()), spread if spread > _NO_SPREAD else 1.0)


def readout_weights(
    readout: str, published: np.ndarray, analytic: np.ndarray | None = None
) -> np.ndarray:
    """Return the weights of heads, float64 [N, T], each row summing to 1.

    Args:
        readout: ``gated`` (the published gate's: the paper's method), ``centred`` (the same),
            ``hard`` (1 for the heaviest of these), ``uniform``, ``calibrated`` (the analytic
            gate's) or ``set`` (those, averaged over all images: they are taken to belong together).
        published: Weights [N, T] of the K-means gate.
        analytic: Weights [N, T] of the analytic gate, which ``calibrated`` and ``set`` need.

    Raises:
        ConfigError: The readout is unknown, or needs an analytic gate that is not there.
    """
    if readout not in MIXTURES:
        raise unknown_name("readout", readout, MIXTURES)
    if readout == "uniform":
        return np.full(published.shape, 1 / published.shape[1])
    if readout == "hard":
        return np.eye(published.shape[1])[published.argmax(axis=1)]
    if readout not in ANALYTIC:
        return published
    if analytic is None:
        raise ConfigError(
            f"the readout '{readout}' needs an analytic gate, which this model does not have"
        )
    if readout == "calibrated":
        return analytic
    return np.broadcast_to(set_priors(analytic, 1), analytic.shape)


def readout_levels(readout: str, levels: Sequence[Level]) -> np.ndarray:
    """Return what a readout subtracts from scores, then divides them by: float64 [T, 2].

    ``calibrated`` and ``set`` standardise by every head's level, ``centred`` only subtracts its
    mean; the others (0 and 1) take scores as they are.
    """
    kept = np.array(levels, dtype=np.float64).reshape(-1, 2)
    if readout not in ANALYTIC:
        kept[:, 1] = 1
        kept[:, 0] *= readout == "centred"
    return kept


def mix(heads: np.ndarray, weights: np.ndarray, levels: np.ndarray | None = None) -> np.ndarray:
    """Return the weighted sum of heads [N, T], standardised by ``levels`` [T, 2]: float64 [N]."""
    heads = np.asarray(heads, dtype=np.float64)
    if levels is not None:
        heads = (heads - levels[:, 0]) / levels[:, 1]
    return (weights * heads).sum(axis=1)


def set_priors(weights: np.ndarray, iterations: int) -> np.ndarray:
    """Estimate how large a part of a set of images is of each task: float64 [T], summing to 1.

    Expectation maximisation on a classifier's probabilities (Saerens et al., Neural Computation
    2002), from equal priors; the first iteration is the mean of the weights. An image's weights
    given the priors are ``weights * priors``, normalised.

    Args:
        weights: Weights [N, T], each row summing to 1, as given by equal priors.
        iterations: At least 1.
    """
    priors = np.full(weights.shape[1], 1 / weights.shape[1])
    for _ in range(iterations):
        adapted = weights * priors
        priors = (adapted / adapted.sum(axis=1, keepdims=True)).mean(axis=0)
    return priors

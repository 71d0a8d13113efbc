"""Sparse scoring: heads that the gate leaves next to nothing are not read, and what that can cost.

The gate reads an image first; then only the networks of heads with enough weight do. As a head's
score lies in [-1, 1], the mixture of those that were read is within a bound of the whole one that
is known for each image, whatever the others would have said.
"""

import numpy as np
import torch
from torch import Tensor

from tsniqa.errors import ConfigError
from tsniqa.model.readouts import Reading
from tsniqa.model.tsniqa import TSNIQA, Compute

REACH = 1 + 1e-6
"""How far from 0 a head's score can be: a cosine of float32 vectors."""


def check_sparse(model: TSNIQA, epsilon: float, readout: str) -> None:
    """Raise a ConfigError unless heads of a model can be skipped under a readout."""
    if not 0 < epsilon <= 1:
        raise ConfigError(f"--sparse takes a weight above 0 and at most 1, not {epsilon:g}")
    if model.gate is None:
        raise ConfigError("the model has one head and no gate, so --sparse has nothing to skip")
    if readout == "set":
        raise ConfigError(
            "a set's weights are known when its last image has been read, too late for --sparse; "
            "leave it out, or weigh every image by itself: --readout calibrated"
        )


def needed(weights: np.ndarray, epsilon: float) -> np.ndarray:
    """Say which heads are to be read: those of at least some weight, and the heaviest.

    Args:
        weights: Float array [N, T], each row summing to 1.
        epsilon: Heads of less weight are skipped.

    Returns:
        Booleans [N, T], at least one in each row.
    """
    return weights >= np.minimum(epsilon, weights.max(axis=1, keepdims=True))


def read_needed(
    model: TSNIQA, images: Tensor, readout: str, epsilon: float, compute: Compute | None = None
) -> Reading:
    """Read images by :meth:`.TSNIQA.read`, but for heads that a readout gives less than a weight.

    Args:
        model: A model with a gate.
        images: A batch [N, 3, H, W], shrunk already.
        readout: One that weighs every image by itself.
        epsilon: The weight.
        compute: As of :meth:`.TSNIQA.read`.

    Returns:
        The reading; scores of heads that were not read are NaN.
    """
    free = [task for task in model.tasks if model.owner(task) is None]  # on the gate's own pass
    found = model.read(images, free, compute=compute)
    heads = np.full((len(images), len(model.tasks)), np.nan, dtype=np.float32)
    heads[:, [model.tasks.index(task) for task in free]] = found.heads
    weights, _ = model.mixture(found, readout)
    wanted = needed(weights, epsilon)
    for owner in model.bank.states:
        own = [i for i, task in enumerate(model.tasks) if model.owner(task) == owner]
        rows = np.flatnonzero(wanted[:, own].any(axis=1))
        if len(rows):
            names = [model.tasks[i] for i in own]
            part = images[torch.from_numpy(rows)]
            read = model.read(part, names, gate=False, compute=compute)
            heads[np.ix_(rows, own)] = read.heads
    return found._replace(heads=heads)


def mix_read(
    heads: np.ndarray, weights: np.ndarray, levels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mix the heads that were read, their weights made to sum to 1, and bound the error.

    The whole mixture is m s + sum_k w_k z_k: s is the score, m the weight that was read, w_k and
    z_k weight and standardised score of head k that was not. As 1 - m = sum_k w_k, it differs from
    s by sum_k w_k (z_k - s), and z_k is between the standardised -1 and 1.

    Args:
        heads: Scores [N, T] in [-1, 1], NaN where they were not read; one in each row was.
        weights: Of all heads, [N, T], each row summing to 1.
        levels: What is subtracted from a head's score, then divides it: [T, 2].

    Returns:
        The scores, and what the whole mixture's are away from them at most: float64 [N] each.
    """
    heads = np.asarray(heads, dtype=np.float64)
    skipped = np.isnan(heads)
    low, high, own = ((x - levels[:, 0]) / levels[:, 1] for x in (-REACH, REACH, heads))
    scores = np.where(skipped, 0, weights * own).sum(axis=1)
    scores /= np.where(skipped, 0, weights).sum(axis=1)
    farthest = np.maximum(high - scores[:, None], scores[:, None] - low)
    return scores, np.where(skipped, weights * farthest, 0).sum(axis=1)

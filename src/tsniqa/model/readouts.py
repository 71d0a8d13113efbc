"""Ways to use several heads: from scores of all heads to one quality score per image."""

import numpy as np

from tsniqa.errors import ConfigError, unknown_name
from tsniqa.model.gating import TEMPERATURE, softmin_weights

MIXTURES = ("gated", "hard", "uniform", "centred")
"""Uses that mix all heads seen so far; ``oracle`` and ``latest`` pick a single head instead."""

USES = ("gated", "latest", "oracle", "hard", "uniform", "centred")
"""All uses of several heads; a model with one shared head has only ``single``."""

DRIFTING_USES = (*USES, "half")
"""Uses where later tasks change what old heads say; ``half`` is the mean of latest and gated."""


def mix(
    heads: np.ndarray,
    distances: np.ndarray | None,
    use: str,
    offsets: np.ndarray | None = None,
    temperature: float = TEMPERATURE,
) -> np.ndarray:
    """Mix the scores of the heads of all tasks seen so far.

    Args:
        heads: Float array [N, T], each head's score, tasks in name order.
        distances: Float array [N, T, stages] of the gate, tasks in the same order; not needed for
            ``uniform``.
        use: ``gated`` (sum of gate weights times scores: the paper's method), ``hard`` (the head
            with the largest weight), ``uniform`` (the plain mean), or ``centred`` (gated, after
            every head's mean score over its own training images is subtracted).
        offsets: Float array [T], those means; needed for ``centred`` alone.
        temperature: Factor on the distances, see :func:`tsniqa.model.gating.softmin_weights`.

    Returns:
        Float64 array [N].

    Raises:
        ConfigError: The use is unknown, or what it needs was not given.
    """
    heads = np.asarray(heads, dtype=np.float64)
    if use == "uniform":
        return heads.mean(axis=1)
    if use not in MIXTURES:
        raise unknown_name("mixture", use, MIXTURES)
    if distances is None or (use == "centred" and offsets is None):
        needed = "gate distances" if distances is None else "head offsets"
        raise ConfigError(f"the use '{use}' needs {needed}, which this model does not have")
    weights = softmin_weights(distances, temperature)
    if use == "hard":
        return heads[np.arange(len(heads)), weights.argmax(axis=1)]
    if use == "centred":
        heads = heads - offsets
    return (weights * heads).sum(axis=1)

"""Seeds derived from names, so that nothing depends on a position or a global stream."""

import hashlib

import numpy as np


def derive_seed(seed: int, *names: str) -> int:
    """Derive an independent seed in [0, 2**31), the same on every machine.

    The names say what it is for, for instance a task's name and ``"head"``.
    """
    digest = hashlib.sha256("\x1f".join([str(seed), *names]).encode()).digest()
    return int.from_bytes(digest[:4], "big") & 0x7FFFFFFF


def generator(seed: int, *names: str) -> np.random.Generator:
    """Make a NumPy generator from a derived seed (see :func:`derive_seed`)."""
    return np.random.default_rng(derive_seed(seed, *names))

"""Pristine scenes by content family, and which families each task draws from."""

from collections.abc import Callable

import numpy as np
from scipy.ndimage import gaussian_filter

from tsniqa.errors import unknown_name
from tsniqa.synthetic.built import architecture, interior, night, page, signs
from tsniqa.synthetic.fields import SIZE, Array, Generator
from tsniqa.synthetic.nature import foliage, fur, landscape, waves
from tsniqa.synthetic.still import fabric, leaves, objects, portrait

_ALL = (
    architecture, fabric, foliage, fur, interior, landscape, leaves, night, objects, page, portrait,
    signs, waves,
)  # fmt: skip
FAMILIES: dict[str, Callable[[Generator, int], Array]] = {draw.__name__: draw for draw in _ALL}
"""Every content family by its function's name."""

TASK_FAMILIES: dict[str, tuple[str, ...]] = {
    "mini-live": ("landscape", "architecture", "leaves", "portrait"),
    "mini-csiq": ("foliage", "waves", "fur", "objects"),
    "mini-bid": ("interior", "objects", "signs", "architecture"),
    "mini-clive": ("night", "interior", "portrait", "landscape"),
    "mini-koniq": tuple(FAMILIES),
    "mini-kadid": ("fabric", "leaves", "page", "foliage", "waves"),
}
"""The content families of each task; ``mini-koniq`` has them all."""


def make_scene(family: str, generator: Generator, size: int = SIZE) -> Array:
    """Draw one pristine scene, float64 RGB [size, size, 3] in [0, 1].

    The family's image passes through a simple camera: a slight lens blur, which takes away the
    staircase of hard edges, a random exposure and a random tone curve.

    Args:
        family: A name in :data:`FAMILIES`.
        generator: Source of randomness; the scene depends on nothing else.
        size: Side in pixels.

    Raises:
        ConfigError: If the family is unknown.
    """
    if family not in FAMILIES:
        raise unknown_name("content family", family, FAMILIES)
    linear = np.clip(FAMILIES[family](generator, size), 0, 1.5)
    sharpness = generator.uniform(0.4, 0.65)
    blurred = gaussian_filter(linear, (sharpness, sharpness, 0), mode="reflect")
    exposure, gamma = generator.uniform((0.85, 0.8), (1.1, 1.2))
    return np.clip(blurred * exposure, 0, 1) ** gamma

"""Building blocks of the procedural scenes: 1/f fields, palettes, dead leaves, glyph rows.

All arithmetic is in double precision, and nowhere a product of matrices: processors differ in the
last bits of exponentials, powers and sums of products, and in single precision that is enough to
move 8-bit values. Noise alone is drawn in single precision. Every function draws
only from the generator it is given, so that a scene is a pure function of its seed.
"""

from typing import NamedTuple

import numpy as np
import scipy.fft
from numpy.typing import NDArray

Array = NDArray[np.float64]
Generator = np.random.Generator

SIZE = 96
"""Side of a scene in pixels."""


def one_over_f(
    generator: Generator, size: int, exponent: float, angle: float = 0.0, stretch: float = 1.0
) -> Array:
    """Draw a random field [size, size] whose amplitude spectrum falls as 1/f**exponent.

    It has zero mean and unit standard deviation. Natural images have an exponent near 1 (Field,
    J. Opt. Soc. Am. A 4, 1987).

    Args:
        generator: Source of randomness.
        size: Side of the field in pixels.
        exponent: Slope of the amplitude spectrum; 0 is white noise.
        angle: Direction of the streaks in radians, when ``stretch`` exceeds 1.
        stretch: How much longer structures are along ``angle`` than across it.
    """
    vertical = scipy.fft.fftfreq(size)[:, None]
    horizontal = scipy.fft.rfftfreq(size)[None, :]
    along = (horizontal * np.cos(angle) + vertical * np.sin(angle)) * stretch
    across = vertical * np.cos(angle) - horizontal * np.sin(angle)
    radius = np.sqrt(along**2 + across**2)
    radius[0, 0] = 1.0
    gain = radius**-exponent
    gain[0, 0] = 0.0
    white = generator.standard_normal((size, size), dtype=np.float32)
    field = scipy.fft.irfft2(scipy.fft.rfft2(white.astype(np.float64)) * gain, s=(size, size))
    return field / (field.std() + 1e-8)


def hsv_to_rgb(hsv: NDArray[np.floating]) -> Array:
    """Convert HSV [..., 3] (hue in turns, any real number; the others in [0, 1]) to RGB."""
    hue, saturation, value = np.moveaxis(np.asarray(hsv, dtype=np.float64), -1, 0)
    channels = []
    for offset in (5, 3, 1):
        sector = (offset + hue * 6) % 6
        ramp = np.clip(np.minimum(sector, 4 - sector), 0, 1)
        channels.append(value - value * saturation * ramp)
    return np.stack(channels, axis=-1)


def palette(
    generator: Generator,
    count: int,
    hue: tuple[float, float] = (0.0, 1.0),
    saturation: tuple[float, float] = (0.1, 0.7),
    value: tuple[float, float] = (0.15, 0.95),
) -> Array:
    """Draw colours, RGB [count, 3] in [0, 1], uniformly from a box in HSV (hue in turns)."""
    low, high = np.array([hue, saturation, value]).T
    return hsv_to_rgb(generator.uniform(low, high, size=(count, 3)))


def grid(size: int) -> tuple[Array, Array]:
    """Return pixel-centre coordinates y [size, 1] and x [1, size], both in [-1, 1]."""
    axis = ((np.arange(size) + 0.5) / size) * 2 - 1
    return axis[:, None], axis[None, :]


class Leaves(NamedTuple):
    """A dead-leaves tessellation: arrays [size, size] of what is in front at each pixel."""

    index: NDArray[np.intp]  # number of the leaf; the last one is the background
    along: Array  # position along the leaf's long axis, -1 to 1 inside it
    across: Array  # position across it


def dead_leaves(
    generator: Generator,
    size: int,
    count: int = 90,
    radius: tuple[float, float] = (0.06, 0.7),
    aspect: tuple[float, float] = (0.5, 1.0),
    shape: str = "disc",
) -> Leaves:
    """Draw occluding shapes with a power-law distribution of sizes.

    Radii follow a density proportional to r**-3, which gives the scale invariance of natural
    images (Lee, Mumford and Huang, Int. J. Computer Vision 41, 2001).

    Args:
        generator: Source of randomness.
        size: Side of the field in pixels.
        count: Number of shapes.
        radius: Smallest and largest radius, in half image sides.
        aspect: Smallest and largest ratio of the short to the long axis.
        shape: ``"disc"`` (ellipse), ``"box"`` (rectangle) or ``"blade"`` (pointed leaf).
    """
    y, x = grid(size)
    low, high = radius[0] ** -2.0, radius[1] ** -2.0
    long_axis = (low + generator.random(count) * (high - low)) ** -0.5
    short_axis = long_axis * generator.uniform(*aspect, count)
    angle = generator.uniform(0, np.pi, count)
    centre = generator.uniform(-1.1, 1.1, (2, count))

    def project(weight_x: NDArray[np.floating], weight_y: NDArray[np.floating]) -> Array:
        offset = centre[0] * weight_x + centre[1] * weight_y
        rows = weight_y[:, None, None] * y[None]
        rows = rows - offset[:, None, None]
        return rows + weight_x[:, None, None] * x[None]

    along = project(np.cos(angle) / long_axis, np.sin(angle) / long_axis)
    across = project(-np.sin(angle) / short_axis, np.cos(angle) / short_axis)
    if shape == "box":
        inside = np.maximum(np.abs(along), np.abs(across)) < 1
    elif shape == "blade":
        inside = np.abs(across) < 1 - along**2
    else:
        inside = along**2 + across**2 < 1
    inside[-1] = True
    index = inside.argmax(axis=0)
    along, across = (np.take_along_axis(a, index[None], axis=0)[0] for a in (along, across))
    return Leaves(index, along, across)


def glyph_rows(generator: Generator, size: int, scale: int = 1) -> Array:
    """Draw rows of text-like glyphs, [size, size]: 1 on ink, 0 on paper, ``scale`` pixels a stroke.

    Glyphs are random 5 x 4 stroke patterns, half of them mirrored; words are separated by gaps.
    """
    cell_height, cell_width = 8, 5
    rows = -(-size // (cell_height * scale))
    columns = -(-size // (cell_width * scale))
    glyphs = generator.random((rows, columns, 5, 4)) < 0.55
    mirrored = generator.random((rows, columns)) < 0.5
    glyphs[mirrored, :, 2:] = glyphs[mirrored, :, 1::-1]
    glyphs &= (generator.random((rows, columns)) > 0.16)[:, :, None, None]
    cells = np.zeros((rows, columns, cell_height, cell_width))
    cells[:, :, 1:6, :4] = glyphs
    page = cells.transpose(0, 2, 1, 3).reshape(rows * cell_height, columns * cell_width)
    return np.kron(page, np.ones((scale, scale)))[:size, :size]


def textured(generator: Generator, colours: Array, index: np.ndarray, depth: float) -> Array:
    """Paint regions with their colour and one of three 1/f textures of random contrast."""
    size = index.shape[0]
    textures = np.stack([one_over_f(generator, size, e) for e in (0.6, 1.0, 1.4)])
    choice = generator.integers(0, 3, len(colours))[index]
    contrast = generator.uniform(0.2, 1.0, len(colours))[index] * depth
    texture = np.take_along_axis(textures, choice[None], axis=0)[0] * contrast
    return colours[index] * (1 + texture[..., None])


def blend(base: Array, top: Array, alpha: np.ndarray) -> Array:
    """Lay ``top`` [..., 3] over ``base`` [..., 3] with opacity ``alpha`` [...] in [0, 1]."""
    return base + (top - base) * alpha[..., None]

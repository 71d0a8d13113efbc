"""Made content families: facades, printed pages, signs, rooms, city nights."""

import numpy as np
from scipy.ndimage import gaussian_filter

from tsniqa.synthetic.fields import (
    SIZE,
    Array,
    Generator,
    blend,
    glyph_rows,
    grid,
    one_over_f,
    palette,
)
from tsniqa.synthetic.nature import landscape
from tsniqa.synthetic.still import leaves


def architecture(generator: Generator, size: int = SIZE) -> Array:
    """A facade in perspective: masonry courses, a grid of windows, sky at the top."""
    y, x = grid(size)
    slope = generator.uniform(-0.4, 0.4)
    depth = 1 + slope * x
    u = (x + 0.3 * slope * x**2) * generator.uniform(2.0, 4.5)
    v = y * depth * generator.uniform(2.0, 4.5) + generator.uniform(0, 1)
    wall, glass, frame = palette(generator, 3, (0.0, 0.16), (0.05, 0.45), (0.4, 0.95))
    glass = glass * generator.uniform(0.2, 0.6) * np.array([0.8, 0.95, 1.1])
    courses = (np.abs((v * 6) % 1 - 0.5) > 0.4) * generator.uniform(0.05, 0.25)
    masonry = 1 + 0.1 * one_over_f(generator, size, 0.7) - courses
    image = wall * masonry[..., None]
    inner, outer = generator.uniform(0.18, 0.28), generator.uniform(0.3, 0.38)
    reach = np.maximum(np.abs(u % 1 - 0.5) * 1.2, np.abs(v % 1 - 0.5))
    image = blend(image, frame, reach < outer)
    reflection = glass * (1 + 0.4 * one_over_f(generator, size, 1.6))[..., None]
    image = blend(image, reflection, reach < inner)
    sky = palette(generator, 1, (0.5, 0.62), (0.1, 0.6), (0.8, 1.0))[0]
    image = blend(image, sky, y * depth < generator.uniform(-1.1, -0.5))
    light = 1 + generator.uniform(-0.35, 0.35) * x + generator.uniform(-0.2, 0.2) * y
    return image * light[..., None]


def page(generator: Generator, size: int = SIZE) -> Array:
    """A printed page under uneven light, with an optional heading and picture."""
    y, x = grid(size)
    paper = palette(generator, 1, (0.05, 0.18), (0.02, 0.25), (0.8, 1.0))[0]
    ink = palette(generator, 1, (0, 1), (0.0, 0.8), (0.05, 0.35))[0]
    image = paper * (1 + 0.02 * one_over_f(generator, size, 0.8))[..., None]
    image = blend(image, ink, glyph_rows(generator, size, int(generator.integers(1, 3))))
    if generator.random() < 0.7:
        left, top = generator.integers(0, size // 2, 2)
        width, height = generator.integers(size // 4, size // 2, 2)
        picture = (
            leaves(generator, size) if generator.random() < 0.5 else landscape(generator, size)
        )
        image[top : top + height, left : left + width] = picture[:height, :width]
    light = 1 + generator.uniform(-0.3, 0.3) * x + generator.uniform(-0.3, 0.3) * y
    return image * light[..., None]


def signs(generator: Generator, size: int = SIZE) -> Array:
    """Flat geometric shapes and large lettering with sharp edges, as on posters and signs."""
    y, x = grid(size)
    colours = palette(generator, 8, saturation=(0.3, 1.0), value=(0.2, 1.0))
    image = np.ones((size, size, 1)) * colours[0]
    image = blend(image, colours[1], 0.5 + 0.5 * np.clip(x * 0.7 + y * 0.7, -1, 1))
    for colour in colours[2:]:
        centre_x, centre_y, radius, angle = generator.uniform(
            (-0.9, -0.9, 0.1, 0), (0.9, 0.9, 0.5, np.pi)
        )
        u = (x - centre_x) * np.cos(angle) + (y - centre_y) * np.sin(angle)
        v = (y - centre_y) * np.cos(angle) - (x - centre_x) * np.sin(angle)
        kind = generator.integers(0, 4)
        distance = (
            np.sqrt(u**2 + v**2),
            np.maximum(np.abs(u), np.abs(v)),
            np.maximum(np.abs(u) * 1.7 + v, -2 * v),
            np.maximum(np.abs(np.sqrt(u**2 + v**2) - radius) * 4, 0),
        )[kind]
        image = blend(image, colour, distance < radius)
    lettering = glyph_rows(generator, size, int(generator.integers(3, 6)))
    band = np.abs(y - generator.uniform(-0.5, 0.5)) < generator.uniform(0.15, 0.5)
    ink = np.round(generator.random()) * np.ones(3)
    image = blend(image, ink, lettering * band)
    grime = 1 + generator.uniform(0.02, 0.1) * one_over_f(generator, size, 0.9)
    return image * grime[..., None]


def interior(generator: Generator, size: int = SIZE) -> Array:
    """A room in one-point perspective: walls, boards, furniture, pictures, a lamp's glow."""
    y, x = grid(size)
    vanish_x, vanish_y = generator.uniform(-0.4, 0.4), generator.uniform(-0.3, 0.1)
    u, v = x - vanish_x, y - vanish_y
    back, ceiling, floor, side = palette(generator, 4, (0.0, 0.2), (0.05, 0.5), (0.45, 0.95))
    half = generator.uniform(0.3, 0.5)
    depth = np.maximum(np.maximum(np.abs(u) * 0.9, np.abs(v)), half)
    board = (np.abs(((u / np.maximum(v, 0.05)) * generator.uniform(2, 5)) % 1 - 0.5) > 0.44) * 0.3
    grain = 0.12 * one_over_f(generator, size, 0.8)
    planks = floor * (1 + grain - board)[..., None]
    image = blend(np.ones((size, size, 1)) * side, ceiling, (-v > np.abs(u) * 0.9))
    image = blend(image, planks, v > np.abs(u) * 0.9)
    image = blend(image, back, np.maximum(np.abs(u) * 0.9, np.abs(v)) < half)
    image = image * (1 + 0.05 * one_over_f(generator, size, 1.0))[..., None]
    for colour in palette(generator, 5, saturation=(0.1, 0.9)):
        left, top = generator.uniform((-0.9, -0.6), (0.6, 0.5))
        width, height = generator.uniform(0.15, 0.7, 2)
        box = (x > left) & (x < left + width) & (y > top) & (y < top + height)
        edge_x = np.minimum(x - left, left + width - x)
        edge_y = np.minimum(y - top, top + height - y)
        frame = box & (np.minimum(edge_x, edge_y) < 0.035)
        pattern = 1 + 0.3 * one_over_f(generator, size, 1.2)
        image = blend(image, colour * pattern[..., None], box)
        image = blend(image, colour * 0.4, frame)
    lamp_x, lamp_y = generator.uniform((-0.8, -0.9), (0.8, 0.0))
    glow = np.exp(-((x - lamp_x) ** 2 + (y - lamp_y) ** 2) / 0.5)
    return image * ((0.45 + 0.3 * depth + 0.6 * glow)[..., None])


def night(generator: Generator, size: int = SIZE) -> Array:
    """A city at night: dark blocks with lit windows, street lamps and their soft halos."""
    y, x = grid(size)
    sky = palette(generator, 1, (0.55, 0.75), (0.3, 0.8), (0.1, 0.35))[0]
    image = sky * (1 + 0.5 * np.clip(y, -1, 1) + 0.15 * one_over_f(generator, size, 1.7))[..., None]
    for layer in range(3):
        columns = int(generator.integers(4, 9))
        tops = generator.uniform(-0.7, 0.3, columns) + 0.25 * layer
        column = np.clip(((x + 1) / 2 * columns).astype(np.intp), 0, columns - 1)
        block = palette(generator, 1, (0.55, 0.75), (0.1, 0.5), (0.08, 0.3))[0]
        image = blend(image, block * np.ones((size, size, 1)), y > tops[column])
        rows_of_windows = int(generator.integers(12, 24))
        lit = generator.random((rows_of_windows, rows_of_windows)) < generator.uniform(0.15, 0.5)
        cell_y = ((y + 1) / 2 * rows_of_windows) + 0 * x
        cell_x = ((x + 1) / 2 * rows_of_windows) + 0 * y
        pane = (np.abs(cell_y % 1 - 0.5) < 0.28) & (np.abs(cell_x % 1 - 0.5) < 0.3)
        on = lit[cell_y.astype(np.intp), cell_x.astype(np.intp)] & pane & (y > tops[column] + 0.06)
        warm = palette(generator, 1, (0.05, 0.17), (0.2, 0.8), (0.7, 1.0))[0]
        image = blend(image, warm, on * (0.5 + 0.25 * layer))
    lamps = np.zeros((size, size, 3))
    for colour in palette(generator, 6, saturation=(0.2, 0.9), value=(0.8, 1.0)):
        row, column_index = generator.integers(0, size, 2)
        lamps[row, column_index] = colour * generator.uniform(20, 90)
    halo = gaussian_filter(lamps, (2.0, 2.0, 0)) + 2 * gaussian_filter(lamps, (6.0, 6.0, 0))
    asphalt = 1 + 0.3 * one_over_f(generator, size, 0.8)
    street = 0.25 * np.clip(y - 0.3, 0, 1) * asphalt
    return image + halo * 0.6 + street[..., None]

"""Outdoor content families: foliage, landscape, waves, fur."""

import numpy as np

from tsniqa.synthetic.fields import (
    SIZE,
    Array,
    Generator,
    blend,
    dead_leaves,
    grid,
    hsv_to_rgb,
    one_over_f,
    palette,
    textured,
)


def foliage(generator: Generator, size: int = SIZE) -> Array:
    """Small pointed leaves, green or autumnal, the deeper ones darker, each with a midrib."""
    layout = dead_leaves(generator, size, 120, (0.12, 0.45), (0.25, 0.5), "blade")
    hue = (0.2, 0.38) if generator.random() < 0.65 else (0.0, 0.16)
    colours = palette(generator, 120, hue, (0.35, 0.85), (0.35, 0.95))
    depth = np.linspace(1.0, 0.25, 120)[layout.index]
    midrib = 1 + 0.25 * np.exp(-((layout.across / 0.1) ** 2))
    return textured(generator, colours, layout.index, 0.12) * (depth * midrib)[..., None]


def landscape(generator: Generator, size: int = SIZE) -> Array:
    """Sky with clouds over hazy ridges and a textured foreground."""
    y, _ = grid(size)
    sky = hsv_to_rgb([generator.uniform(0.52, 0.64), generator.uniform(0.2, 0.6), 0.95])
    horizon = palette(generator, 1, (0.05, 0.15), (0.05, 0.3), (0.85, 1.0))[0]
    image = blend(np.ones((size, size, 3)) * sky, horizon, np.clip((y + 1) * 0.7, 0, 1))
    clouds = one_over_f(generator, size, 1.5, 0.0, 1.8) + generator.uniform(-1, 0.6)
    image = blend(image, np.ones(3), np.clip(clouds, 0, 1) * 0.8)
    layers = int(generator.integers(2, 5))
    ground = palette(generator, layers, (0.08, 0.4), (0.2, 0.6), (0.2, 0.6))
    for layer in range(layers):
        profile = one_over_f(generator, size, 1.4)[0] * 0.13 * (1 - 0.15 * layer)
        level = -0.35 + layer * 1.0 / layers + generator.uniform(-0.1, 0.1)
        texture = one_over_f(generator, size, 0.9) * (0.1 + 0.15 * layer / layers)
        haze = 0.65 * (1 - (layer + 1) / layers)
        surface = ground[layer] * (1 + texture[..., None]) * (1 - haze) + horizon * haze
        image = blend(image, surface, y > level + profile[None])
    return image


def waves(generator: Generator, size: int = SIZE) -> Array:
    """Water or dunes: streaks that grow towards the viewer, with bright crests."""
    y, x = grid(size)
    hue = (0.48, 0.62) if generator.random() < 0.7 else (0.06, 0.12)
    deep, bright = palette(generator, 2, hue, (0.3, 0.8), (0.3, 0.9))
    angle = generator.uniform(-0.3, 0.3)
    fine = one_over_f(generator, size, 0.7, angle, 3.0)
    coarse = one_over_f(generator, size, 1.3, angle, 4.0)
    nearness = np.clip((y + 1) / 2, 0, 1)
    height = fine * (1 - nearness) + coarse * nearness
    image = blend(deep * np.ones((size, size, 1)), bright, np.clip(0.5 + 0.35 * height, 0, 1))
    image = blend(image, np.ones(3), np.clip(height - 1.2, 0, 1))
    if generator.random() < 0.5:
        sky = palette(generator, 1, (0.52, 0.6), (0.05, 0.4), (0.8, 1.0))[0]
        image = blend(image, sky, y + 0 * x < generator.uniform(-0.8, -0.3))
    return image


def fur(generator: Generator, size: int = SIZE) -> Array:
    """Hair-like strokes whose direction changes across the image, in patches of two colours."""
    light, dark = palette(generator, 2, (0.02, 0.14), (0.1, 0.6), (0.25, 0.95))
    base_angle = generator.uniform(0, np.pi)
    angles = base_angle + np.linspace(-0.5, 0.5, 4)
    strokes = np.stack([one_over_f(generator, size, 0.5, angle, 6.0) for angle in angles])
    guide = np.clip((one_over_f(generator, size, 1.8) * 0.8 + 1.5), 0, 2.999)
    lower = guide.astype(np.intp)
    weight = guide - lower
    below = np.take_along_axis(strokes, lower[None], axis=0)[0]
    above = np.take_along_axis(strokes, lower[None] + 1, axis=0)[0]
    stroke = (1 - weight) * below + weight * above
    patches = np.clip(one_over_f(generator, size, 1.6) * 2.5 + 0.5, 0, 1)
    image = blend(light * np.ones((size, size, 1)), dark, patches)
    relief = 1 + 0.25 * one_over_f(generator, size, 2.0)
    return image * ((1 + generator.uniform(0.15, 0.35) * stroke) * relief)[..., None]

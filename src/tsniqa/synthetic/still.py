"""Close-range content families: dead leaves, objects, portraits, fabric."""

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


def leaves(generator: Generator, size: int = SIZE) -> Array:
    """Dead leaves of discs and boxes in mixed colours with 1/f textures."""
    shape = "disc" if generator.random() < 0.6 else "box"
    layout = dead_leaves(generator, size, shape=shape)
    colours = palette(generator, 90)
    tilt = generator.uniform(-0.25, 0.25, 90)[layout.index]
    shade = 1 + tilt * np.clip(layout.along, -1, 1)
    return textured(generator, colours, layout.index, 0.22) * shade[..., None]


def objects(generator: Generator, size: int = SIZE) -> Array:
    """Shaded, textured ellipsoids casting shadows on a table before a soft background."""
    y, x = grid(size)
    back, table = palette(generator, 2, saturation=(0.05, 0.5), value=(0.3, 0.9))
    wall = back * (1 + 0.2 * one_over_f(generator, size, 1.8))[..., None]
    surface = table * (1 + 0.15 * one_over_f(generator, size, 0.9, 0.0, 4.0))[..., None]
    image = blend(wall, surface, np.clip((y - generator.uniform(-0.3, 0.3)) * 20, 0, 1) + 0 * x)
    light = generator.uniform(-0.6, 0.6)
    for colour in palette(generator, int(generator.integers(2, 6)), saturation=(0.3, 0.9)):
        centre_x, centre_y = generator.uniform((-0.8, -0.1), (0.8, 0.6))
        radius = generator.uniform(0.18, 0.5)
        u, v = (x - centre_x) / radius, (y - centre_y) / (radius * generator.uniform(0.7, 1.2))
        shadow = np.exp(-(((u + light) / 1.1) ** 2) - ((v - 0.95) / 0.25) ** 2)
        image = image * (1 - 0.5 * shadow[..., None])
        height = np.sqrt(np.clip(1 - u**2 - v**2, 0, 1))
        diffuse = 0.25 + 0.75 * np.clip(0.75 * height - light * u - 0.5 * v, 0, 1)
        skin = 1 + generator.uniform(0.0, 0.25) * one_over_f(generator, size, 0.9)
        shaded = colour * (diffuse * skin)[..., None]
        highlight = np.exp(-(((u + light * 0.7) ** 2 + (v + 0.4) ** 2) / 0.02))
        image = blend(image, shaded + 0.6 * highlight[..., None], u**2 + v**2 < 1)
    return image


def portrait(generator: Generator, size: int = SIZE) -> Array:
    """A head-and-shoulders figure: face, hair, eyes, mouth, clothes, before a soft background."""
    y, x = grid(size)
    back = palette(generator, 1, value=(0.2, 0.95))[0]
    image = back * (1 + 0.25 * one_over_f(generator, size, 1.7))[..., None]
    x = x - generator.uniform(-0.25, 0.25)
    y = y - generator.uniform(-0.15, 0.15)
    radius = generator.uniform(0.3, 0.48)
    cloth = palette(generator, 1, saturation=(0.1, 0.8))[0]
    stripes = np.sin(x * generator.uniform(0, 60) + y * generator.uniform(0, 60)) > 0
    cloth = cloth * (1 + 0.25 * stripes + 0.12 * one_over_f(generator, size, 0.8))[..., None]
    image = blend(image, cloth, (x / (2 * radius)) ** 2 + ((y - 1.05) / 0.75) ** 2 < 1)
    hair = palette(generator, 1, (0.02, 0.13), (0.1, 0.7), (0.08, 0.7))[0]
    strands = one_over_f(generator, size, 0.6, np.pi / 2 + generator.uniform(-0.4, 0.4), 5.0)
    hair = hair * (1 + 0.35 * strands)[..., None]
    u, v = x / radius, y / (radius * 1.25)
    image = blend(image, hair, u**2 + ((v + 0.25) / generator.uniform(1, 1.7)) ** 2 < 1.25)
    skin = hsv_to_rgb([generator.uniform(0.03, 0.09), 0.45, generator.uniform(0.4, 0.95)])
    side = generator.uniform(-0.5, 0.5)
    light = 0.8 + 0.25 * np.sqrt(np.clip(1 - u**2 - v**2, 0, 1)) + 0.25 * side * u
    pores = 1 + 0.04 * one_over_f(generator, size, 0.5)
    image = blend(image, skin * (light * pores)[..., None], (u / 0.85) ** 2 + v**2 < 1)
    for centre in (-0.36, 0.36):
        eye = ((u - centre) / 0.19) ** 2 + ((v + 0.15) / 0.1) ** 2
        image = blend(image, np.full(3, 0.92), eye < 1)
        image = blend(image, hair * 0.5, ((u - centre) / 0.09) ** 2 + ((v + 0.15) / 0.09) ** 2 < 1)
        brow = ((u - centre) / 0.26) ** 2 + ((v + 0.36) / 0.05) ** 2
        image = blend(image, hair, brow < 1)
    lips = np.array([0.7, 0.25, 0.28])
    image = blend(image, lips, (u / 0.3) ** 2 + ((v - 0.5) / 0.09) ** 2 < 1)
    nose = np.exp(-((u - 0.08 * side) ** 2) / 0.006 - ((v - 0.12) / 0.2) ** 2)
    return image * (1 - 0.15 * nose)[..., None]


def fabric(generator: Generator, size: int = SIZE) -> Array:
    """Woven or printed cloth: stripes, checks or a weave, bent by soft folds."""
    y, x = grid(size)
    fold = one_over_f(generator, size, 2.0)
    bend = 0.06 * fold
    angle = generator.uniform(0, np.pi)
    u = x * np.cos(angle) + y * np.sin(angle) + bend
    v = y * np.cos(angle) - x * np.sin(angle) + bend
    first, second, third = palette(generator, 3, saturation=(0.2, 0.9))
    periods = generator.uniform(2.0, 7.0, 2)
    duty = generator.uniform(0.25, 0.6, 2)
    image = np.ones((size, size, 1)) * first
    image = blend(image, second, ((u * periods[0]) % 1 < duty[0]) * generator.uniform(0.5, 1))
    if generator.random() < 0.7:
        image = blend(image, third, ((v * periods[1]) % 1 < duty[1]) * generator.uniform(0.3, 0.9))
    pitch = generator.uniform(14, 24)
    weave = np.sin(u * pitch * np.pi) * np.sin(v * pitch * np.pi)
    image = image * (1 + generator.uniform(0.05, 0.3) * weave)[..., None]
    fibre = 1 + 0.08 * one_over_f(generator, size, 0.4)
    return image * (fibre * (1 + 0.18 * fold))[..., None]

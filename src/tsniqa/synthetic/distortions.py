"""All distortions by name, the phone-camera chains, and what each task uses."""

from collections.abc import Callable

import numpy as np
from scipy.ndimage import gaussian_filter, median_filter

from tsniqa.errors import ConfigError, unknown_name
from tsniqa.synthetic import blur_noise, compression, tone_colour
from tsniqa.synthetic.blur_noise import strength
from tsniqa.synthetic.fields import Array, Generator

Distortion = Callable[[Array, float, Generator], Array]


def _sensor(image: Array, sigma: float, generator: Generator) -> Array:
    """Add signal-dependent sensor noise, blotchy as after a camera's demosaicing."""
    noise = generator.standard_normal(image.shape, dtype=np.float32)
    noise = gaussian_filter(noise.astype(np.float64), (0.6, 0.6, 0)) * 1.6
    return image + sigma * np.sqrt(np.clip(image, 0.02, 1)) * noise


def phone_low_light(image: Array, level: float, generator: Generator) -> Array:
    """Too little light: underexposed, noisy, smoothed by the phone, compressed."""
    dark = tone_colour.exposure(image, -strength(level, 0.3, 0.7, 1.2, 1.8, 2.4))
    noisy = _sensor(dark, strength(level, 0.03, 0.06, 0.1, 0.16, 0.25), generator)
    if generator.random() < 0.5:
        noisy = median_filter(noisy, (3, 3, 1))
    warm = tone_colour.colour_cast(noisy, generator.uniform(0, 0.15))
    return compression.jpeg(warm, strength(level, 1, 1, 1.5, 2, 2.5), generator)


def phone_shake(image: Array, level: float, generator: Generator) -> Array:
    """An unsteady hand: camera shake, a little noise, compression."""
    moved = blur_noise.camera_shake(image, level, generator)
    noisy = _sensor(moved, strength(level, 0.01, 0.015, 0.02, 0.03, 0.04), generator)
    return compression.jpeg(noisy, 1, generator)


def phone_exposure(image: Array, level: float, generator: Generator) -> Array:
    """A wrong exposure: blown highlights or crushed shadows, a vignette, a colour cast."""
    over = generator.random() < 0.5
    stops = strength(level, 0.5, 1.0, 1.6, 2.3, 3.1)
    exposed = tone_colour.exposure(image, stops if over else -1.2 * stops)
    shaded = blur_noise.vignette(exposed, generator.uniform(0, 0.4))
    cast = tone_colour.colour_cast(shaded, generator.uniform(-0.12, 0.12))
    return compression.jpeg(_sensor(cast, 0.015, generator), 1, generator)


def phone_compression(image: Array, level: float, generator: Generator) -> Array:
    """A soft picture, sharpened by the phone and compressed too much, perhaps twice."""
    soft = gaussian_filter(image, (0.6, 0.6, 0))
    sharp = blur_noise.sharpen(soft, strength(level, 1, 1.3, 1.6, 2, 2.4), generator)
    once = compression.jpeg(sharp, level, generator)
    return compression.jpeg(once, max(level - 1, 1), generator)


def everyday_mixture(image: Array, level: float, generator: Generator) -> Array:
    """Two or three mild defects of ordinary photographs together, then compression."""
    steps: tuple[Distortion, ...] = (
        blur_noise.lens_blur,
        blur_noise.camera_shake,
        lambda x, amount, g: _sensor(x, 0.025 * amount, g),
        lambda x, amount, g: tone_colour.exposure(x, 0.4 * amount * g.choice((-1.0, 1.0))),
        tone_colour.contrast,
        tone_colour.saturation_hsv,
        lambda x, amount, g: tone_colour.colour_cast(x, 0.06 * amount * g.choice((-1.0, 1.0))),
        blur_noise.sharpen,
    )
    count = int(generator.integers(2, 4))
    chosen = np.sort(generator.choice(len(steps), count, replace=False))
    for index, share in zip(chosen, generator.uniform(0.35, 0.75, count), strict=True):
        image = np.clip(steps[index](image, 1 + (level - 1) * share, generator), 0, 1)
    return compression.jpeg(image, 1 + (level - 1) * generator.uniform(0, 0.6), generator)


_ALL = (
    blur_noise.gaussian_blur, blur_noise.lens_blur, blur_noise.motion_blur,
    blur_noise.camera_shake, blur_noise.white_noise, blur_noise.pink_noise,
    blur_noise.colour_component_noise, blur_noise.impulse_noise, blur_noise.multiplicative_noise,
    blur_noise.denoise, blur_noise.sharpen, tone_colour.colour_diffusion, tone_colour.colour_shift,
    tone_colour.colour_quantization, tone_colour.saturation_hsv, tone_colour.saturation_lab,
    tone_colour.brighten, tone_colour.darken, tone_colour.mean_shift, tone_colour.contrast,
    compression.jpeg, compression.jpeg2000, compression.fast_fading, compression.jitter,
    compression.non_eccentricity_patch, compression.pixelate, compression.quantization,
    compression.colour_block, phone_low_light, phone_shake, phone_exposure, phone_compression,
    everyday_mixture,
)  # fmt: skip
DISTORTIONS: dict[str, Distortion] = {apply.__name__.replace("_", "-"): apply for apply in _ALL}
"""Every distortion by name: its function's, with hyphens."""

TASK_DISTORTIONS: dict[str, tuple[str, ...]] = {
    "mini-live": ("jpeg2000", "jpeg", "white-noise", "gaussian-blur", "fast-fading"),
    "mini-csiq": ("white-noise", "jpeg", "jpeg2000", "pink-noise", "gaussian-blur", "contrast"),
    "mini-bid": ("lens-blur", "motion-blur", "camera-shake"),
    "mini-clive": ("phone-low-light", "phone-shake", "phone-exposure", "phone-compression"),
    "mini-koniq": ("everyday-mixture",),
    "mini-kadid": tuple(
        name
        for name in DISTORTIONS
        if name not in ("camera-shake", "pink-noise", "fast-fading", "everyday-mixture")
        and not name.startswith("phone-")
    ),
}
"""The distortions of each task; ``mini-kadid`` has 25."""


def distort(name: str, image: Array, level: float, generator: Generator) -> Array:
    """Apply one distortion.

    Args:
        name: A name in :data:`DISTORTIONS`.
        image: Array [H, H, 3], float64 RGB in [0, 1], as is what is returned.
        level: Severity from 1 (mild) to 5 (severe); fractions interpolate.
        generator: Source of the distortion's randomness.

    Raises:
        ConfigError: If the name is unknown or the level lies outside 1 to 5.
    """
    if name not in DISTORTIONS:
        raise unknown_name("distortion", name, DISTORTIONS)
    if not 1 <= level <= 5:
        raise ConfigError(f"distortion '{name}': level {level} is outside 1 to 5; pick one inside")
    return np.clip(DISTORTIONS[name](image, level, generator), 0, 1)

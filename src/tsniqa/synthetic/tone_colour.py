"""Changes of tone and colour. The form of the functions is told in :mod:`.blur_noise`."""

import numpy as np
from scipy.ndimage import gaussian_filter

from tsniqa.synthetic.blur_noise import strength
from tsniqa.synthetic.compression import from_pillow, to_pillow
from tsniqa.synthetic.fields import Array, Generator


def to_opponent(image: Array) -> tuple[Array, Array]:
    """Split RGB [H, W, 3] into luma [H, W] and the two BT.601 colour differences [H, W, 2]."""
    red, green, blue = np.moveaxis(image, -1, 0)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    return luma, np.stack([(blue - luma) / 1.772, (red - luma) / 1.402], axis=-1)


def from_opponent(luma: Array, chroma: Array) -> Array:
    """Invert :func:`to_opponent`; the result may leave [0, 1]."""
    blue, red = chroma[..., 0], chroma[..., 1]
    green = luma - 0.344136 * blue - 0.714136 * red
    return np.stack([luma + 1.402 * red, green, luma + 1.772 * blue], axis=-1)


def colour_diffusion(image: Array, level: float, generator: Generator) -> Array:
    """Blur the colour differences and boost them, so that colour bleeds over edges."""
    sigma = strength(level, 1.0, 2.0, 4.0, 7.0, 12.0)
    luma, chroma = to_opponent(image)
    gain = strength(level, 1.05, 1.1, 1.2, 1.35, 1.5)
    return from_opponent(luma, gaussian_filter(chroma, (sigma, sigma, 0)) * gain)


def colour_shift(image: Array, level: float, generator: Generator) -> Array:
    """Displace the colour differences against luma in a random direction (misregistration)."""
    distance = strength(level, 1, 2, 4, 7, 11)
    angle = generator.uniform(0, 2 * np.pi)
    shift = np.round(distance * np.array([np.sin(angle), np.cos(angle)])).astype(int)
    margin = 12
    luma, chroma = to_opponent(image)
    padded = np.pad(chroma, ((margin, margin), (margin, margin), (0, 0)), mode="symmetric")
    top, left = margin + shift
    height, width = luma.shape
    return from_opponent(luma, padded[top : top + height, left : left + width])


def colour_quantization(image: Array, level: float, generator: Generator) -> Array:
    """Reduce the colours to a palette of the image's own, by median cut."""
    count = int(strength(level, 48, 24, 12, 7, 4))
    return from_pillow(to_pillow(image).quantize(count, method=0).convert("RGB"))


def saturation_hsv(image: Array, level: float, generator: Generator) -> Array:
    """Wash colours out by scaling the HSV saturation down; hue and value stay."""
    factor = strength(level, 0.75, 0.5, 0.3, 0.12, 0.0)
    value = image.max(axis=-1, keepdims=True)
    return value - (value - image) * factor


def saturation_lab(image: Array, level: float, generator: Generator) -> Array:
    """Exaggerate the colour differences at equal luma, as scaling a* and b* in CIELAB does."""
    factor = strength(level, 1.3, 1.7, 2.4, 3.6, 6.0)
    luma, chroma = to_opponent(image)
    return from_opponent(luma, chroma * factor)


def brighten(image: Array, level: float, generator: Generator) -> Array:
    """Lift mid-tones by a power curve, black and white fixed."""
    return np.clip(image, 0, 1) ** strength(level, 0.8, 0.65, 0.5, 0.38, 0.26)


def darken(image: Array, level: float, generator: Generator) -> Array:
    """Lower mid-tones by a power curve, black and white fixed."""
    return np.clip(image, 0, 1) ** strength(level, 1.25, 1.6, 2.2, 3.0, 4.2)


def mean_shift(image: Array, level: float, generator: Generator) -> Array:
    """Add the same amount to all samples, up or down; what leaves the range is clipped."""
    sign = 1.0 if generator.random() < 0.5 else -1.0
    return image + sign * strength(level, 0.06, 0.12, 0.2, 0.3, 0.42)


def contrast(image: Array, level: float, generator: Generator) -> Array:
    """Scale the contrast down around the image's mean."""
    mean = image.mean(axis=(0, 1), keepdims=True)
    return mean + (image - mean) * strength(level, 0.8, 0.6, 0.43, 0.28, 0.16)


def exposure(image: Array, stops: float) -> Array:
    """Change the exposure by ``stops`` in linear light; highlights clip."""
    return np.clip(np.clip(image, 0, 1) ** 2.2 * 2.0**stops, 0, 1) ** (1 / 2.2)


def colour_cast(image: Array, warmth: float) -> Array:
    """Multiply red and divide blue by ``1 + warmth``: a wrong white balance."""
    gains = np.array([1 + warmth, 1.0, 1 / (1 + warmth)])
    return image * gains

"""Blurs, noises and their removal.

Every distortion is a function of an image [H, W, 3] (float64 RGB in [0, 1]), a level and a
generator, and returns an image of the same kind. Levels run from 1 (mild) to 5 (severe); levels
in between are allowed and interpolate the strengths.
"""

import numpy as np
import scipy.fft
from scipy.ndimage import gaussian_filter, median_filter

from tsniqa.synthetic.fields import Array, Generator, grid, one_over_f


def strength(level: float, *table: float) -> float:
    """Interpolate a table of five strengths, given for the levels 1 to 5."""
    return float(np.interp(level, (1, 2, 3, 4, 5), table))


def convolve(image: Array, kernel: np.ndarray) -> Array:
    """Convolve an image [H, W, 3] with a kernel [k, k] (k odd), mirrored at the borders."""
    margin = kernel.shape[0] // 2
    padded = np.pad(image, ((margin, margin), (margin, margin), (0, 0)), mode="symmetric")
    shape = tuple(scipy.fft.next_fast_len(n + 2 * margin, real=True) for n in padded.shape[:2])
    spectrum = scipy.fft.rfft2(kernel, s=shape)[..., None]
    product = scipy.fft.rfft2(padded, s=shape, axes=(0, 1)) * spectrum
    full = scipy.fft.irfft2(product, s=shape, axes=(0, 1))
    height, width = image.shape[:2]
    return full[2 * margin : 2 * margin + height, 2 * margin : 2 * margin + width]


def gaussian_blur(image: Array, level: float, generator: Generator) -> Array:
    """Blur with a Gaussian."""
    sigma = strength(level, 0.55, 0.9, 1.5, 2.4, 3.8)
    return gaussian_filter(image, (sigma, sigma, 0))


def lens_blur(image: Array, level: float, generator: Generator) -> Array:
    """Defocus: blur with a disc whose rim is smooth over one pixel."""
    radius = strength(level, 0.8, 1.4, 2.2, 3.4, 5.0)
    offset = np.arange(-6.0, 7.0)
    distance = np.hypot(offset[:, None], offset[None, :])
    disc = np.clip(radius + 0.5 - distance, 0, 1)
    return convolve(image, disc / disc.sum())


def _path_kernel(x: np.ndarray, y: np.ndarray, reach: int) -> np.ndarray:
    """Rasterise a camera path (pixel offsets, equal dwell times) to a kernel that sums to 1."""
    edges = np.arange(-reach - 0.5, reach + 1)
    spread = gaussian_filter(
        np.histogram2d(y - y.mean(), x - x.mean(), bins=(edges, edges))[0], 0.45, mode="constant"
    )
    return spread / spread.sum()


def motion_blur(image: Array, level: float, generator: Generator) -> Array:
    """Blur along a straight line in a random direction."""
    length = strength(level, 2.0, 4.0, 7.0, 11.0, 16.0)
    angle = generator.uniform(0, np.pi)
    along = np.linspace(-length / 2, length / 2, 257)
    return convolve(image, _path_kernel(along * np.cos(angle), along * np.sin(angle), 9))


def camera_shake(image: Array, level: float, generator: Generator) -> Array:
    """Blur along the curved path of a shaking hand (a smooth random walk)."""
    extent = strength(level, 1.2, 2.2, 3.5, 5.0, 7.0)
    velocity = gaussian_filter(generator.standard_normal((2, 256)), (0, 24))
    path = np.cumsum(velocity, axis=1)
    path -= path.mean(axis=1, keepdims=True)
    path *= extent / np.abs(path).max()
    return convolve(image, _path_kernel(path[0], path[1], 9))


def white_noise(image: Array, level: float, generator: Generator) -> Array:
    """Add white Gaussian noise, independent in each colour channel."""
    sigma = strength(level, 0.02, 0.045, 0.08, 0.14, 0.25)
    return image + sigma * generator.standard_normal(image.shape, dtype=np.float32)


def pink_noise(image: Array, level: float, generator: Generator) -> Array:
    """Add noise with a 1/f amplitude spectrum, the same in all channels."""
    sigma = strength(level, 0.02, 0.045, 0.08, 0.13, 0.21)
    return image + sigma * one_over_f(generator, image.shape[0], 1.0)[..., None]


def colour_component_noise(image: Array, level: float, generator: Generator) -> Array:
    """Add white noise that is much stronger in the two chroma components than in luma."""
    sigma = strength(level, 0.03, 0.06, 0.11, 0.18, 0.3)
    luma, blue, red = generator.standard_normal((3, *image.shape[:2]), dtype=np.float32) * sigma
    luma = 0.15 * luma
    green = luma - 0.344 * blue - 0.714 * red
    return image + np.stack([luma + 1.402 * red, green, luma + 1.772 * blue], axis=-1)


def impulse_noise(image: Array, level: float, generator: Generator) -> Array:
    """Replace a share of the samples by black or white (salt and pepper)."""
    share = strength(level, 0.004, 0.013, 0.035, 0.08, 0.18)
    draw = generator.random(image.shape, dtype=np.float32)
    return np.where(draw < share / 2, 0.0, np.where(draw > 1 - share / 2, 1.0, image))


def multiplicative_noise(image: Array, level: float, generator: Generator) -> Array:
    """Multiply by 1 plus white Gaussian noise (speckle)."""
    sigma = strength(level, 0.05, 0.1, 0.18, 0.3, 0.5)
    return image * (1 + sigma * generator.standard_normal(image.shape, dtype=np.float32))


def denoise(image: Array, level: float, generator: Generator) -> Array:
    """Add white noise, then remove it with a median filter: smeared detail with blotches."""
    sigma = strength(level, 0.02, 0.05, 0.09, 0.15, 0.24)
    noisy = image + sigma * generator.standard_normal(image.shape, dtype=np.float32)
    side = int(strength(level, 3, 3, 3, 5, 5))
    return median_filter(noisy, (side, side, 1))


def sharpen(image: Array, level: float, generator: Generator) -> Array:
    """Over-sharpen by unsharp masking: halos along edges."""
    amount = strength(level, 0.5, 1.2, 2.4, 4.5, 8.0)
    return image + amount * (image - gaussian_filter(image, (1.2, 1.2, 0)))


def vignette(image: Array, amount: float) -> Array:
    """Darken towards the corners by ``amount`` in [0, 1], as cheap lenses do."""
    y, x = grid(image.shape[0])
    return image * (1 - amount * (x**2 + y**2) / 2)[..., None]

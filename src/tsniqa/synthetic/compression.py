"""Compression, transmission and spatial damage. The functions' form: :mod:`.blur_noise`."""

import io

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from tsniqa.synthetic.blur_noise import strength
from tsniqa.synthetic.fields import Array, Generator


def to_pillow(image: Array) -> Image.Image:
    """Convert an image [H, W, 3] in [0, 1] (values outside are clipped) to 8-bit RGB.

    Values are rounded to a millionth of a grey level first: what lies half-way between two levels
    goes the same way, whatever a processor leaves in the last bits.
    """
    return Image.fromarray((np.round(np.clip(image, 0, 1) * 255, 6) + 0.5).astype(np.uint8))


def from_pillow(image: Image.Image) -> Array:
    """Convert an 8-bit RGB image to float64 [H, W, 3] in [0, 1]."""
    return np.asarray(image, dtype=np.float64) / 255


def _through_codec(image: Array, **options: object) -> Array:
    buffer = io.BytesIO()
    to_pillow(image).save(buffer, **options)
    return from_pillow(Image.open(buffer))


def jpeg(image: Array, level: float, generator: Generator) -> Array:
    """Compress with baseline JPEG."""
    quality = round(strength(level, 55, 30, 16, 9, 4))
    return _through_codec(image, format="JPEG", quality=quality)


def jpeg2000(image: Array, level: float, generator: Generator) -> Array:
    """Compress with JPEG 2000 (irreversible wavelet) to a given ratio."""
    ratio = strength(level, 10, 18, 30, 50, 85)
    return _through_codec(
        image, format="JPEG2000", quality_mode="rates", quality_layers=[ratio], irreversible=True
    )


def fast_fading(image: Array, level: float, generator: Generator) -> Array:
    """Damage a JPEG 2000 image as a fading wireless channel would.

    Bit errors are simulated where they strike, in the sub-bands: in a difference-of-Gaussians
    pyramid of the compressed image, blocks of detail (the codec's code blocks) are lost or
    amplified with the wrong sign, which smears and rings as in LIVE's fast-fading images. Errors
    come in bursts that run over neighbouring blocks.
    """
    share = strength(level, 0.06, 0.14, 0.28, 0.5, 0.8)
    rest = jpeg2000(image, 1, generator)
    result = np.zeros_like(rest)
    size = rest.shape[0]
    for sigma, block in ((0.8, 12), (1.6, 12), (3.2, 24)):
        smooth = gaussian_filter(rest, (sigma, sigma, 0))
        blocks = -(-size // block)
        fading = gaussian_filter(generator.standard_normal(blocks * blocks), 1.0, mode="wrap")
        struck = np.argsort(np.argsort(fading)) < share * blocks * blocks
        damage = np.where(generator.random(blocks * blocks) < 0.55, 0.0, -1.3)
        gain = np.where(struck, damage, 1.0).reshape(blocks, blocks)
        gain = np.kron(gain, np.ones((block, block)))[:size, :size]
        gain = gaussian_filter(gain, 0.7)
        result += (rest - smooth) * gain[..., None]
        rest = smooth
    return result + rest


def jitter(image: Array, level: float, generator: Generator) -> Array:
    """Fetch every pixel from a random place near by."""
    reach = strength(level, 0.65, 1.0, 1.5, 2.4, 4.0)
    height, width = image.shape[:2]
    offset = np.round(generator.uniform(-reach, reach, (2, height, width))).astype(np.intp)
    rows = np.clip(np.arange(height)[:, None] + offset[0], 0, height - 1)
    columns = np.clip(np.arange(width)[None, :] + offset[1], 0, width - 1)
    return image[rows, columns]


def non_eccentricity_patch(image: Array, level: float, generator: Generator) -> Array:
    """Replace small patches by others from a few pixels away."""
    count = int(strength(level, 6, 14, 28, 50, 85))
    result = image.copy()
    side, reach = 8, 6
    limit = image.shape[0] - side
    for _ in range(count):
        top, left = generator.integers(0, limit + 1, 2)
        shift_y, shift_x = generator.integers(-reach, reach + 1, 2)
        source_y, source_x = np.clip((top + shift_y, left + shift_x), 0, limit)
        patch = image[source_y : source_y + side, source_x : source_x + side]
        result[top : top + side, left : left + side] = patch
    return result


def pixelate(image: Array, level: float, generator: Generator) -> Array:
    """Shrink by box averaging and enlarge again without smoothing."""
    side = round(image.shape[0] / strength(level, 1.4, 2.0, 3.0, 4.4, 6.5))
    small = to_pillow(image).resize((side, side), Image.Resampling.BOX)
    return from_pillow(small.resize(image.shape[1::-1], Image.Resampling.NEAREST))


def quantization(image: Array, level: float, generator: Generator) -> Array:
    """Round every channel to a few evenly spaced values."""
    steps = int(strength(level, 13, 9, 6, 4, 2)) - 1
    return np.round(np.clip(image, 0, 1) * steps) / steps


def colour_block(image: Array, level: float, generator: Generator) -> Array:
    """Cover places by small blocks of random colour."""
    count = int(strength(level, 2, 4, 8, 14, 24))
    result = image.copy()
    side = 10
    for _ in range(count):
        top, left = generator.integers(0, image.shape[0] - side + 1, 2)
        result[top : top + side, left : left + side] = generator.random(3, dtype=np.float32)
    return result

"""Pixels: one image file decoded with checks, and shrunk where it is too large.

The sizes are the paper's (Zhang et al., TIP 2024): an image whose shorter side exceeds a limit (768
pixels there) is resized to it. Everything stays uint8.
"""

import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torchvision.transforms.v2 import functional as transforms

from tsniqa.errors import DataError, one_line

_BROKEN = (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error, zlib.error)
_GREY_16_BIT = ("I;16", "I;16L", "I;16B", "I;16N", "I")


def decode(path: Path, root: Path | None = None) -> np.ndarray:
    """Decode one image to 8-bit RGB, upright.

    EXIF orientation is applied; 16-bit greyscale is scaled by 1/257; palettes, greyscale and CMYK
    are converted without colour management; transparent pixels are laid over white, as a browser's
    page shows them; of an animation the first frame is taken.

    Args:
        path: The image file.
        root: The folder which the file, symbolic links followed, must not leave.

    Returns:
        Array [H, W, 3], uint8, RGB.

    Raises:
        DataError: The file is missing, outside ``root``, truncated, not an image, of a pixel type
            without a known scale, or larger than Pillow's limit against decompression bombs.
    """
    path = Path(path)
    refuse_outside(path, root)
    if not path.is_file():
        raise DataError(f"image {path} is missing; restore the file or remove its row")
    try:
        with warnings.catch_warnings():
            # Pillow only warns between one and two times its limit; both are refused here.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as opened:
                image = ImageOps.exif_transpose(opened)
                return np.array(_to_rgb(image, path))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        limit = Image.MAX_IMAGE_PIXELS
        raise DataError(
            f"image {path} has more than {limit} pixels (a decompression bomb?); resize it first"
        ) from None
    except UnidentifiedImageError:
        raise DataError(f"{path} is not an image that Pillow can read; replace the file") from None
    except _BROKEN as error:
        raise DataError(f"image {path} is damaged ({one_line(error)}); replace the file") from None


def refuse_outside(path: Path, root: Path | None) -> None:
    """Refuse a file that lies outside a folder, symbolic links followed.

    Args:
        path: The file.
        root: The folder, or None to allow any place.

    Raises:
        DataError: The file lies outside.
    """
    if root is not None and not path.resolve().is_relative_to(Path(root).resolve()):
        raise DataError(f"image {path} lies outside {root}; keep images inside the dataset folder")


def _to_rgb(image: Image.Image, path: Path) -> Image.Image:
    """Bring any Pillow mode to RGB by an explicit rule (see :func:`decode`)."""
    if image.mode == "F":
        raise DataError(f"image {path} holds floating-point pixels; save it as 8- or 16-bit first")
    if image.mode in _GREY_16_BIT:
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise DataError(f"image {path} holds 32-bit pixels; save it as 8- or 16-bit first")
        image = Image.fromarray(((values + 128) // 257).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        layered = image.convert("RGBA")
        page = Image.new("RGBA", layered.size, (255, 255, 255, 255))
        image = Image.alpha_composite(page, layered)
    return image.convert("RGB")


def fit_shorter_side(image: np.ndarray, limit: int | None) -> np.ndarray:
    """Shrink an image, antialiased, so that its shorter side is at most ``limit``.

    Args:
        image: Array [H, W, 3], uint8.
        limit: Pixels of the shorter side; None leaves every image as it is.

    Returns:
        The same array if its shorter side is within the limit, else a smaller one with the aspect
        ratio kept; never a larger one.
    """
    if limit is None or min(image.shape[:2]) <= limit:
        return image
    tensor = torch.from_numpy(image).permute(2, 0, 1)
    smaller = transforms.resize(tensor, [limit], antialias=True)
    return smaller.permute(1, 2, 0).contiguous().numpy()

"""Pixels: one image file decoded with checks, and shrunk where it is too large.

An image whose shorter side exceeds a limit (768 pixels in Zhang et al., TIP 2024) is resized to it.
"""

import struct
import warnings
import zlib
from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from PIL import Image as PILImage
from PIL import ImageOps, UnidentifiedImageError

from tsniqa.errors import DataError, missing_image, one_line

#: What Pillow's decoders raise for damaged files (NotImplementedError is a RuntimeError).
_BROKEN = (
    OSError, SyntaxError, ValueError, EOFError, LookupError, ArithmeticError, TypeError,
    RuntimeError, AttributeError, MemoryError, struct.error, zlib.error,
)  # fmt: skip
_GREY_16_BIT = ("I;16", "I;16L", "I;16B", "I;16N", "I")
_16_BIT_AS_I = ("PNG", "PPM")  # formats without 32-bit pixels; others do not tell their scale

#: What Pillow recognises, but needs another program or library to decode.
_ONLY_NAMED = {"BUFR", "EPS", "GRIB", "HDF5", "IPTC", "MPEG", "WMF"}

NEEDS_EXTRA = {".heic", ".heics", ".heif", ".heifs", ".hif"}
"""Endings of files that are read once the extra ``heif`` is installed."""
if find_spec("pillow_heif"):
    import pillow_heif

    pillow_heif.register_heif_opener()

# Pillow only warns of what is too large and not yet twice that; `decode` refuses both, in threads,
# where a filter for a block of code would not hold.
warnings.simplefilter("ignore", PILImage.DecompressionBombWarning)

# What a forward pass holds at once: memory is bounded whatever the images' sizes, and on a CPU
# larger batches are no faster. Part of a result's last bits, so these are no options.
BATCH_IMAGES = 16
BATCH_PIXELS = 512 * 512  # of all its images together, unless it is a single larger one

#: What larger images are shrunk to when they are scored, if the model was not told (the paper's).
SHORTER_SIDE = 768
LONGEST = 4  # as many times the shorter side an image may be long

Image = str | Path | PILImage.Image | np.ndarray | torch.Tensor  # what a user may hand over


def image_endings() -> set[str]:
    """Return the endings, in lower case with the dot, of what Pillow or an extra of ours reads."""
    known = PILImage.registered_extensions()  # loads all of Pillow's plugins
    readable = set(PILImage.OPEN) - _ONLY_NAMED
    return {ending for ending, kind in known.items() if kind in readable} | NEEDS_EXTRA


def decode(path: Path, root: Path | None = None) -> np.ndarray:
    """Decode one image to 8-bit RGB [H, W, 3], upright.

    EXIF orientation is applied; 16-bit greyscale is scaled by 1/257; palettes, greyscale and CMYK
    are converted without colour management; transparent pixels are laid over white, as a browser's
    page shows them; of an animation the first frame is taken.

    Args:
        path: The image file.
        root: The folder which the file must not leave, see :func:`refuse_outside`.

    Raises:
        DataError: The file is missing, outside ``root``, truncated, not an image, of a pixel type
            without a known scale, or larger than Pillow's limit against decompression bombs.
    """
    path = Path(path)
    refuse_outside(path, root)
    if not path.exists():
        raise missing_image(path)
    if not path.is_file():  # reading from a pipe would never end
        raise DataError(f"image {path} is a folder, a pipe or a device; name a file")
    try:
        with PILImage.open(path) as opened:
            if opened.width * opened.height > PILImage.MAX_IMAGE_PIXELS:
                raise PILImage.DecompressionBombError
            if opened.format == "EPS":  # decoding runs the file, which is a program
                raise DataError(f"{path} is PostScript; convert it to PNG first")
            if opened.mode == "I" and opened.format not in _16_BIT_AS_I:
                raise DataError(f"image {path} holds 32-bit pixels; save it as 8- or 16-bit first")
            return np.array(_to_rgb(ImageOps.exif_transpose(opened), path))
    except PILImage.DecompressionBombError:
        limit = PILImage.MAX_IMAGE_PIXELS
        raise DataError(
            f"image {path} has more than {limit} pixels (a decompression bomb?); resize it first"
        ) from None
    except UnidentifiedImageError:
        if path.suffix.lower() in NEEDS_EXTRA and not find_spec("pillow_heif"):
            raise DataError(f"{path} is HEIF; to read it: pip install 'tsniqa[heif]'") from None
        raise DataError(f"{path} is not an image that Pillow can read; replace the file") from None
    except _BROKEN as error:
        raise DataError(f"image {path} is damaged ({one_line(error)}); replace the file") from None


def refuse_outside(path: Path, root: Path | None) -> None:
    """Raise a DataError if a file, symbolic links followed, lies outside a folder (if any)."""
    if root is not None and not path.resolve().is_relative_to(Path(root).resolve()):
        raise DataError(f"image {path} lies outside {root}; keep images inside the dataset folder")


def _to_rgb(image: PILImage.Image, path: Path | str) -> PILImage.Image:
    """Bring any Pillow mode to RGB by an explicit rule (see :func:`decode`)."""
    if image.mode == "F":
        raise DataError(f"image {path} holds floating-point pixels; save it as 8- or 16-bit first")
    if image.mode in _GREY_16_BIT:
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise DataError(f"image {path} holds 32-bit pixels; save it as 8- or 16-bit first")
        image = PILImage.fromarray(((values + 128) // 257).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        layered = image.convert("RGBA")
        page = PILImage.new("RGBA", layered.size, (255, 255, 255, 255))
        image = PILImage.alpha_composite(page, layered)
    return image.convert("RGB")


def shrink(image: torch.Tensor, limit: int | None) -> torch.Tensor:
    """Shrink an image or batch [..., 3, H, W], antialiased, to a shorter side of at most ``limit``.

    The aspect ratio is kept. What would still be longer than :data:`LONGEST` times the limit is
    shrunk to that, so that memory is bounded. None, or a smaller image, changes nothing.
    """
    if limit is None:
        return image
    shorter, longer = sorted(image.shape[-2:])
    ratio = min(1, limit / shorter, LONGEST * limit / longer)
    if ratio == 1:
        return image
    from torchvision.transforms.v2 import functional as transforms  # it takes seconds

    if ratio == limit / shorter:
        size = [limit]
    else:
        size = [max(1, round(side * ratio)) for side in image.shape[-2:]]
    return transforms.resize(image, size, antialias=True)


def checked(image: torch.Tensor, dimensions: int = 3) -> torch.Tensor:
    """Return a tensor that is an image [3, H, W] or batch [N, 3, H, W]: uint8, or float in [0, 1].

    Raises:
        DataError: Shape, type or a value is another one.
    """
    if image.ndim != dimensions or image.shape[-3] != 3 or not image.numel():
        wanted = "[3, H, W]" if dimensions == 3 else "[N, 3, H, W]"
        raise DataError(f"pixels have the shape {list(image.shape)}, not {wanted}; reshape them")
    if image.dtype == torch.uint8:
        return image
    if not image.is_floating_point():
        raise DataError(f"pixels are {image.dtype}; give uint8, or floating point from 0 to 1")
    low, high = image.detach().aminmax()
    if not (low >= 0 and high <= 1):  # also where a value is no number
        raise DataError(
            f"pixels run from {low:g} to {high:g}; divide by the largest possible value, so that "
            "they lie between 0 and 1, or give uint8"
        )
    return image


def as_images(images: Image | Iterable[Image]) -> Iterator[torch.Tensor]:
    """Yield every image as a tensor [3, H, W], uint8 or floating point in [0, 1].

    Args:
        images: One or many of: the path of a file, a PIL image, an array [H, W, 3], a tensor
            [3, H, W]; also one array [N, H, W, 3] or tensor [N, 3, H, W].

    Raises:
        DataError: A file cannot be decoded, or a shape, type or value is none of an image.
    """
    one = isinstance(images, str | Path | PILImage.Image)
    if isinstance(images, np.ndarray | torch.Tensor):  # not a column of paths
        one = images.ndim in (2, 3)
    for image in [images] if one else images:
        if isinstance(image, str | Path):
            image = decode(Path(image))
        elif isinstance(image, PILImage.Image):
            try:
                image = np.array(_to_rgb(ImageOps.exif_transpose(image), "given"))
            except _BROKEN as error:
                raise DataError(f"an image given is damaged ({one_line(error)})") from None
        if isinstance(image, np.ndarray) and image.ndim == 3 and image.shape[2] == 3:
            image = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)
        if not isinstance(image, torch.Tensor):
            found = getattr(image, "shape", type(image).__name__)
            raise DataError(
                f"{found} is no image; give a path, a PIL image, an array [H, W, 3] or a tensor"
            )
        yield checked(image.contiguous())


def batches(images: Iterable[torch.Tensor], pixels: int = BATCH_PIXELS) -> Iterator[torch.Tensor]:
    """Stack neighbours [3, H, W] of equal shape and type to batches within the two limits."""
    waiting: list[torch.Tensor] = []
    for image in images:
        first = waiting[0] if waiting else image
        most = max(1, min(BATCH_IMAGES, pixels // first[0].numel()))
        if len(waiting) == most or (image.shape, image.dtype) != (first.shape, first.dtype):
            yield torch.stack(waiting)
            waiting = []
        waiting.append(image)
    if waiting:
        yield torch.stack(waiting)


def normalize(images: torch.Tensor, mean: Sequence[float], std: Sequence[float]) -> torch.Tensor:
    """Standardise images [N, 3, H, W], uint8 or floating point in [0, 1], as a network's input.

    Args:
        images: They become float32, in channels-last memory on the same device.
        mean: The three channels' means on the scale [0, 1].
        std: Their standard deviations on that scale.
    """
    if images.is_floating_point():
        images = images * 255
    like = {"dtype": torch.float32, "memory_format": torch.channels_last}
    values = torch.empty_like(images, **like).copy_(images)
    offset, scale = (values.new_tensor(x).mul_(255).view(1, 3, 1, 1) for x in (mean, std))
    return values.sub_(offset).div_(scale)

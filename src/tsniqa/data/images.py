"""Images: decoding with checks, the decoded cache, crops for learning, whole images for testing.

The sizes are the paper's (Zhang et al., TIP 2024): an image whose shorter side exceeds
768 pixels is resized to it, learning sees random crops with horizontal flips, tests see the full
image. Everything stays uint8 until :func:`normalize`.
"""

import struct
import warnings
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torchvision.transforms.v2 import functional as transforms

from tsniqa.errors import DataError

if TYPE_CHECKING:
    from tsniqa.data.cache import DecodedCache

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
        reason = " ".join(str(error).split())
        raise DataError(f"image {path} is damaged ({reason}); replace the file") from None


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


class ImageSet:
    """A list of images that are decoded when first asked for and then kept as uint8.

    Args:
        paths: The image files, in order.
        shorter_side: Limit given to :func:`fit_shorter_side`; None keeps the stored sizes.
        memory_limit: Bytes of decoded pixels to keep. Images beyond it are decoded at every access,
            so that a large dataset is slow rather than fatal.
        cache: Decoded images on disk at the same ``shorter_side``; they are then read from there,
            and none is kept in memory.
        root: Folder that the files must not leave, see :func:`decode`.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        shorter_side: int | None,
        memory_limit: int = 4 * 2**30,
        cache: "DecodedCache | None" = None,
        root: Path | None = None,
    ) -> None:
        self.paths = [Path(path) for path in paths]
        self.shorter_side = shorter_side
        self.cache = cache
        self.root = root
        self.memory_limit = memory_limit
        self._decoded: dict[int, torch.Tensor] = {}
        self._bytes = 0

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.paths)

    def __getitem__(self, index: int) -> torch.Tensor:
        """Return image ``index`` as uint8 [3, H, W].

        Do not change it: it may be the one that is kept.

        Raises:
            DataError: The image cannot be decoded (see :func:`decode`).
            IndexError: There is no such image.
        """
        position = range(len(self.paths))[index]
        if self.cache is not None:
            return self.cache.load(self.paths[position], self.root)
        if position in self._decoded:
            return self._decoded[position]
        pixels = fit_shorter_side(decode(self.paths[position], self.root), self.shorter_side)
        image = torch.from_numpy(pixels).permute(2, 0, 1).contiguous()
        if self._bytes + image.nbytes <= self.memory_limit:
            self._decoded[position] = image
            self._bytes += image.nbytes
        return image


def random_crop(image: torch.Tensor, size: int, generator: torch.Generator) -> torch.Tensor:
    """Cut a random square and flip it at random (:func:`random_flip`).

    An image smaller than the square is first extended on all sides by reflection.

    Args:
        image: Tensor [3, H, W].
        size: Side of the square in pixels.
        generator: CPU generator. Three numbers are drawn whatever the image's size.

    Returns:
        Tensor [3, size, size] of the same dtype.
    """
    padded = _reflect_to(image, size)
    top = _draw(padded.shape[1] - size + 1, generator)
    left = _draw(padded.shape[2] - size + 1, generator)
    return random_flip(transforms.crop(padded, top, left, size, size), generator)


def random_flip(image: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Mirror an image [..., H, W] left to right with probability one half."""
    return transforms.horizontal_flip(image) if _draw(2, generator) else image


def _draw(bound: int, generator: torch.Generator) -> int:
    """Draw an integer in [0, bound)."""
    return int(torch.randint(bound, (), generator=generator))


def _reflect_to(image: torch.Tensor, size: int) -> torch.Tensor:
    """Extend [3, H, W] by reflection until both sides reach ``size``.

    By index rather than with torch's padding, which cannot reflect more than once: an image may be
    smaller than half of the crop.
    """
    for dimension in (1, 2):
        length = image.shape[dimension]
        missing = size - length
        if missing > 0:
            before = missing // 2
            index = np.pad(np.arange(length), (before, missing - before), mode="reflect")
            image = image.index_select(dimension, torch.from_numpy(index))
    return image


def full_batches(images: ImageSet, batch: int) -> Iterator[tuple[list[int], torch.Tensor]]:
    """Go through whole images in order, batching neighbours of equal size.

    Args:
        images: The images.
        batch: Most images in one batch, at least 1.

    Yields:
        The positions of the images, and their pixels as uint8 [B, 3, H, W]. The grouping depends
        on nothing but the images' order and sizes, so scores are reproducible bit for bit.

    Raises:
        ValueError: ``batch`` is below 1.
        DataError: An image cannot be decoded.
    """
    if batch < 1:
        raise ValueError(f"batch must be at least 1, not {batch}")
    indices: list[int] = []
    waiting: list[torch.Tensor] = []
    for index in range(len(images)):
        image = images[index]
        if waiting and (len(waiting) == batch or image.shape != waiting[0].shape):
            yield indices, torch.stack(waiting)
            indices, waiting = [], []
        indices.append(index)
        waiting.append(image)
    if waiting:
        yield indices, torch.stack(waiting)


def normalize(batch: torch.Tensor, mean: Sequence[float], std: Sequence[float]) -> torch.Tensor:
    """Turn pixels into network input: scale to [0, 1], subtract the mean, divide by the std.

    Args:
        batch: uint8 [B, 3, H, W], on any device.
        mean: Three channel means on the [0, 1] scale.
        std: Three channel standard deviations on the [0, 1] scale.

    Returns:
        float32 [B, 3, H, W] in channels-last memory, on the same device.
    """
    values = batch.to(torch.float32, memory_format=torch.channels_last)
    if values is batch:
        values = batch.clone()
    offset = values.new_tensor(mean).mul_(255).view(1, 3, 1, 1)
    scale = values.new_tensor(std).mul_(255).view(1, 3, 1, 1)
    return values.sub_(offset).div_(scale)

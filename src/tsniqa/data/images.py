"""Images of a task: random crops with flips to learn from, whole ones to test (the paper's)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torchvision.transforms.v2 import functional as transforms

from tsniqa.data.cache import DecodedCache
from tsniqa.pixels import decode, shrink


class ImageSet:
    """A list of images that are decoded when first asked for and then kept as uint8.

    Args:
        paths: The image files, in order.
        shorter_side: As of :func:`tsniqa.pixels.shrink`; None keeps the stored sizes.
        memory_limit: Bytes of decoded pixels to keep; images beyond are decoded at every access.
        cache: Decoded images on disk at the same ``shorter_side``, to read instead of keeping any.
        root: Folder that the files must not leave, see :func:`tsniqa.pixels.decode`.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        shorter_side: int | None,
        memory_limit: int = 4 * 2**30,
        cache: DecodedCache | None = None,
        root: Path | None = None,
    ) -> None:
        self.paths = [Path(path) for path in paths]
        self.shorter_side, self.memory_limit = shorter_side, memory_limit
        self.cache, self.root = cache, root
        self._decoded: dict[int, torch.Tensor] = {}
        self._bytes = 0

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.paths)

    def __getitem__(self, index: int) -> torch.Tensor:
        """Return image ``index`` as uint8 [3, H, W]; it may be the one kept, so do not change it.

        A DataError says why it cannot be decoded.
        """
        position = range(len(self.paths))[index]
        if self.cache is not None:
            return self.cache.load(self.paths[position], self.root)
        if position in self._decoded:
            return self._decoded[position]
        pixels = torch.from_numpy(decode(self.paths[position], self.root)).permute(2, 0, 1)
        image = shrink(pixels, self.shorter_side).contiguous()
        if self._bytes + image.nbytes <= self.memory_limit:
            self._decoded[position] = image
            self._bytes += image.nbytes
        return image


def random_crop(image: torch.Tensor, size: int, generator: torch.Generator) -> torch.Tensor:
    """Cut a random square, from a small image extended by reflection, and flip it at random.

    Args:
        image: Tensor [3, H, W], from which [3, size, size] of the same dtype is made.
        size: Side of the square in pixels.
        generator: CPU generator. Three numbers are drawn whatever the image's size.
    """
    padded = _reflect_to(image, size)
    top = _draw(padded.shape[1] - size + 1, generator)
    left = _draw(padded.shape[2] - size + 1, generator)
    crop = transforms.crop(padded, top, left, size, size)
    return transforms.horizontal_flip(crop) if _draw(2, generator) else crop


def _draw(bound: int, generator: torch.Generator) -> int:
    """Draw an integer in [0, bound)."""
    return int(torch.randint(bound, (), generator=generator))


def _reflect_to(image: torch.Tensor, size: int) -> torch.Tensor:
    """Extend [3, H, W] by reflection until both sides reach ``size``."""
    # By index: torch's padding cannot reflect twice, and an image may be below half of the crop.
    for dimension in (1, 2):
        missing = size - (length := image.shape[dimension])
        if missing > 0:
            before = missing // 2
            index = np.pad(np.arange(length), (before, missing - before), mode="reflect")
            image = image.index_select(dimension, torch.from_numpy(index))
    return image

"""Images of a task: random crops with flips to learn from, whole ones to test (the paper's)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from tsniqa.data.cache import DecodedCache
from tsniqa.pixels import decode, shrink


class ImageSet:
    """A list of images that are decoded when first asked for and then kept as uint8 on a device.

    Args:
        paths: The image files, in order.
        shorter_side: As of :func:`tsniqa.pixels.shrink`; None keeps the stored sizes.
        memory_limit: Bytes of decoded pixels to keep; images beyond are decoded at every access.
        cache: Decoded images on disk at the same ``shorter_side``, to read instead of decoding.
        root: Folder that the files must not leave, see :func:`tsniqa.pixels.decode`.
        device: Where images are kept. On the CPU those of a cache are mapped and not kept.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        shorter_side: int | None,
        memory_limit: int = 4 * 2**30,
        cache: DecodedCache | None = None,
        root: Path | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        self.paths = [Path(path) for path in paths]
        self.shorter_side, self.memory_limit = shorter_side, memory_limit
        self.cache, self.root, self.device = cache, root, torch.device(device)
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
        if position in self._decoded:
            return self._decoded[position]
        if self.cache is not None:
            image = self.cache.load(self.paths[position], self.root)
            if self.device.type == "cpu":
                return image
        else:
            pixels = torch.from_numpy(decode(self.paths[position], self.root)).permute(2, 0, 1)
            image = shrink(pixels, self.shorter_side).contiguous()
        image = image.to(self.device)
        if self._bytes + image.nbytes <= self.memory_limit:
            self._decoded[position] = image
            self._bytes += image.nbytes
        return image


def random_crops(
    images: ImageSet, indices: Sequence[int], size: int, generator: torch.Generator
) -> torch.Tensor:
    """Cut a random square from every image of a batch, and flip half of them at random.

    Small images are extended by reflection. Numbers are drawn once a batch, on the CPU: so crops
    are the same on every device, and whatever the images' sizes are.

    Args:
        images: Where the images are.
        indices: Which of them, B numbers.
        size: Side of the squares in pixels.
        generator: CPU generator.

    Returns:
        uint8 [B, 3, size, size], on the device of the images.
    """
    draws = torch.rand(len(indices), 3, generator=generator, dtype=torch.float64)
    crops = []
    for index, (down, right, _) in zip(indices, draws.tolist(), strict=True):
        image = _reflect_to(images[index], size)
        top = int(down * (image.shape[1] - size + 1))
        left = int(right * (image.shape[2] - size + 1))
        crops.append(image[:, top : top + size, left : left + size])
    batch = torch.stack(crops)
    flipped = (draws[:, 2] < 0.5).to(batch.device)
    return torch.where(flipped[:, None, None, None], batch.flip(3), batch)


def _reflect_to(image: torch.Tensor, size: int) -> torch.Tensor:
    """Extend [3, H, W] by reflection until both sides reach ``size``."""
    # By index: torch's padding cannot reflect twice, and an image may be below half of the crop.
    for dimension in (1, 2):
        missing = size - (length := image.shape[dimension])
        if missing > 0:
            before = missing // 2
            index = np.pad(np.arange(length), (before, missing - before), mode="reflect")
            index = torch.from_numpy(index).to(image.device)
            image = image.index_select(dimension, index)
    return image

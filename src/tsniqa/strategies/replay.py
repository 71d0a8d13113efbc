"""Replay beside the new task: at every step a batch of every memory.

So the released code of *Continual Learning for Blind Image Quality Assessment* (Zhang et al.,
IEEE TPAMI 2023, arXiv 2102.09717) trains, for losses that are summed within a step.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from tsniqa.data.images import random_crop
from tsniqa.training.pairs import PairBatch, drawn_epoch, in_batch_epoch
from tsniqa.training.schedules import ImageStep
from tsniqa.training.trainer import LabelledImages


class Replay:
    """Endless batches of crops of several memories.

    Args:
        memory: What is remembered of every old task.
        step: The new task's schedule: size of batches and crops, and how pairs are formed.
        seed: Everything random comes from it.
    """

    def __init__(self, memory: Sequence[LabelledImages], step: ImageStep, seed: int) -> None:
        self.memory = list(memory)
        self.crop = step.crop
        self.crops = torch.Generator().manual_seed(seed + 1)
        generator = torch.Generator().manual_seed(seed)
        size = replay_batch(step.batch, len(self.memory))
        self.streams = [endless(own.mos, step, size, generator) for own in self.memory]

    def __iter__(self) -> Iterator[tuple[PairBatch, Tensor]]:
        """Yield the next batch of every memory: pairs with their labels, and crops.

        Crops are uint8 [B, 3, H, W]. A batch may have no pairs: all its labels are tied.
        """
        for own, stream in zip(self.memory, self.streams, strict=True):
            pairs = next(stream)
            images = [own.images[i] for i in pairs.indices.tolist()]
            yield pairs, torch.stack([random_crop(i, self.crop, self.crops) for i in images])


def replay_batch(batch: int, tasks: int) -> int:
    """Return how many images (or drawn pairs) a memory shows at every step.

    In the released code 32, 16 and 8 pairs with one, two and more old tasks, beside 32 new ones.

    Args:
        batch: Images (or drawn pairs) of the new task.
        tasks: Number of old tasks.
    """
    return max(2, batch // (tasks if tasks < 3 else 4))


def endless(
    mos: Tensor, step: ImageStep, size: int, generator: torch.Generator
) -> Iterator[PairBatch]:
    """Go through a memory of two images or more again and again, as the schedule forms pairs."""
    while True:
        if step.pairs is None:
            yield from in_batch_epoch([mos], size, generator)
        else:
            yield from drawn_epoch([mos], size, [size], generator)

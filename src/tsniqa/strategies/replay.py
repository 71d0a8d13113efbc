"""Replay beside the new task: at every step a batch of every memory.

So the released code of *Continual Learning for Blind Image Quality Assessment* (Zhang et al.,
IEEE TPAMI 2023, arXiv 2102.09717) trains, for losses that are summed within a step.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from tsniqa.model.backbone import Backbone
from tsniqa.training.pairs import PairBatch, drawn_epoch, in_batch_epoch
from tsniqa.training.schedules import FinetuneSchedule
from tsniqa.training.trainer import Batch, Source, random_crops, read_crops


class Replay:
    """Endless batches of several memories.

    Args:
        memory: What is remembered of every old task, with the head that scores it.
        schedule: That of the new task: size of batches and crops, and how pairs are formed.
        seed: Everything random comes from it.
    """

    def __init__(self, memory: Sequence[Source], schedule: FinetuneSchedule, seed: int) -> None:
        self.memory = list(memory)
        self.schedule = schedule
        self.crops = torch.Generator().manual_seed(seed + 1)
        generator = torch.Generator().manual_seed(seed)
        size = replay_batch(schedule.batch, len(self.memory))
        drawn = schedule.pairs is not None
        self.streams = [endless(own.images.mos, size, drawn, generator) for own in self.memory]

    def batches(self, backbone: Backbone) -> Iterator[Batch | None]:
        """Yield the next batch of every memory; None for one whose labels are all tied."""
        for source, stream in zip(self.memory, self.streams, strict=True):
            pairs = next(stream)
            crops = random_crops(source, pairs, self.schedule.crop, self.crops)
            tied = not len(pairs.target)
            how = self.schedule.statistics
            yield None if tied else read_crops(backbone, source, pairs, crops, how)


def replay_batch(batch: int, tasks: int) -> int:
    """Return how many images (or drawn pairs) a memory shows at every step.

    In the released code 32, 16 and 8 pairs with one, two and more old tasks, beside 32 new ones.

    Args:
        batch: Images (or drawn pairs) of the new task.
        tasks: Number of old tasks.
    """
    return max(2, batch // (tasks if tasks < 3 else 4))


def endless(mos: Tensor, size: int, drawn: bool, generator: torch.Generator) -> Iterator[PairBatch]:
    """Go through a memory of two images or more again and again, as the schedule forms pairs."""
    while True:
        if drawn:
            yield from drawn_epoch([mos], size, [size], generator)
        else:
            yield from in_batch_epoch([mos], size, generator)

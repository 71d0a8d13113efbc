"""Replay beside the new task: at every step a batch of every memory, as the predecessor's code."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from tsniqa.model.backbone import Backbone
from tsniqa.training.pairs import PairBatch, draw_pairs, drawn_epoch, in_batch_epoch
from tsniqa.training.schedules import FinetuneSchedule, Released
from tsniqa.training.trainer import Batch, Source, read_crops


class Replay:
    """Endless batches of the memories of old tasks, formed as the new task's schedule says."""

    def __init__(
        self, memory: Sequence[Source], schedule: FinetuneSchedule, seed: int,
        released: Released,
    ) -> None:  # fmt: skip
        self.memory, self.schedule, self.released = list(memory), schedule, released
        self.crops = torch.Generator().manual_seed(seed + 1)
        generator = torch.Generator().manual_seed(seed)
        size = replay_batch(schedule.batch, len(self.memory))
        drawn = schedule.pairs is not None
        how = size, drawn, generator, released.ties
        self.streams = [endless(own.images.mos, *how) for own in self.memory]

    def batches(self, backbone: Backbone, epoch: int) -> Iterator[Batch | None]:
        """Yield the next batch of every memory in an epoch; None where all labels are tied."""
        for source, stream in zip(self.memory, self.streams, strict=True):
            pairs = next(stream)
            how = self.schedule, epoch, self.crops, self.released.two_forwards
            yield read_crops(backbone, source, pairs, *how) if len(pairs.target) else None


def replay_batch(batch: int, tasks: int) -> int:
    """Return the images (or pairs) each old task shows at a step; of 32 as released 32, 16, 8."""
    return max(2, batch // (tasks if tasks < 3 else 4))


def endless(
    mos: Tensor, size: int, drawn: bool, generator: torch.Generator, ties: bool = False
) -> Iterator[PairBatch]:
    """Go through the labels [n] of a memory, n > 1, again and again."""
    while True:
        if drawn:
            pairs = draw_pairs(mos, size, generator)
            yield from drawn_epoch([mos], [pairs], size, generator, ties)
        else:
            yield from in_batch_epoch([mos], size, generator, ties)

"""Which images are compared with which: all pairs within a batch, or pairs drawn one by one."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from tsniqa.training.context import LabelledImages
from tsniqa.training.schedules import HeadSchedule


class PairBatch(NamedTuple):
    """A batch of images of one source (one task), and the pairs to compare within it."""

    source: int  # its number
    indices: Tensor  # int64 [B], which of its images to load
    first: Tensor  # int64 [P], positions within the batch
    second: Tensor
    target: Tensor  # float32 [P], 1 where the first opinion score is at least the second, else 0


def epoch_of_pairs(
    train: Sequence[LabelledImages], schedule: HeadSchedule, generator: torch.Generator
) -> Iterator[PairBatch]:
    """Go once through some sources as a schedule says, but for batches with nothing but ties."""
    mos = [source.mos for source in train]
    if schedule.pairs is None:
        batches = in_batch_epoch(mos, schedule.batch, generator)
    else:
        pairs = [schedule.pairs_of(source.task) or 0 for source in train]
        batches = drawn_epoch(mos, schedule.batch, pairs, generator)
    return (batch for batch in batches if len(batch.target))


def in_batch_pairs(mos: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Form every pair within a batch of images of one task, but for ties.

    The paper keeps ties with target 1, which teaches an order that nobody saw.

    Args:
        mos: Labels [B], higher is better.

    Returns:
        First and second positions and targets, as in :class:`PairBatch`; first < second.
    """
    first, second = torch.triu_indices(len(mos), len(mos), offset=1, device=mos.device)
    differ = mos[first] != mos[second]
    first, second = first[differ], second[differ]
    return first, second, (mos[first] > mos[second]).to(mos.dtype)


def in_batch_epoch(
    mos: Sequence[Tensor], batch: int, generator: torch.Generator
) -> Iterator[PairBatch]:
    """Visit every image of every source once, comparing all images within a batch.

    A batch of B images gives B(B-1)/2 pairs, where loading pair by pair gives B/2; batches never
    mix sources, since opinion scores of two datasets do not compare.

    Args:
        mos: One float tensor [n] a source.
        batch: Images a batch; a remainder of one image is left out.
        generator: A CPU generator, the only source of randomness.
    """
    plans = []
    for source, labels in enumerate(mos):
        parts = torch.randperm(len(labels), generator=generator).split(batch)
        plans += [(source, part) for part in parts if len(part) > 1]
    for position in torch.randperm(len(plans), generator=generator).tolist():
        source, indices = plans[position]
        yield PairBatch(source, indices, *in_batch_pairs(mos[source][indices]))


def drawn_epoch(
    mos: Sequence[Tensor], batch: int, pairs: Sequence[int], generator: torch.Generator
) -> Iterator[PairBatch]:
    """Draw pairs of images one by one, as the paper's protocol does; ties count as p = 1.

    Args:
        mos: One float tensor [n] a source.
        batch: Pairs a batch, so 2 x batch images.
        pairs: Pairs an epoch, one number a source.
        generator: A CPU generator, the only source of randomness.
    """
    plans = []
    for source, count in enumerate(pairs):
        plans += [(source, min(batch, count - start)) for start in range(0, count, batch)]
    for position in torch.randperm(len(plans), generator=generator).tolist():
        source, size = plans[position]
        labels = mos[source]
        left = torch.randint(len(labels), (size,), generator=generator)
        # A shift by 1..n-1 never pairs an image with itself.
        shift = torch.randint(1, len(labels), (size,), generator=generator)
        right = (left + shift) % len(labels)
        first, target = torch.arange(size), (labels[left] >= labels[right]).float()
        yield PairBatch(source, torch.cat([left, right]), first, first + size, target)

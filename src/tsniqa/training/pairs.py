"""Which images are compared with which: all pairs within a batch, or pairs drawn one by one."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from tsniqa.training.context import LabelledImages
from tsniqa.training.schedules import HeadSchedule, Released


class PairBatch(NamedTuple):
    """A batch of images of one source (one task), and the pairs to compare within it."""

    source: int  # its number
    indices: Tensor  # int64 [B], which of its images to load
    first: Tensor  # int64 [P], positions within the batch
    second: Tensor
    target: Tensor  # float32 [P], 1 where the first opinion score is larger, else 0


def epochs_of_pairs(
    train: Sequence[LabelledImages],
    schedule: HeadSchedule,
    generator: torch.Generator,
    released: Released = Released(),  # noqa: B008 (frozen)
) -> Iterator[Iterator[PairBatch]]:
    """Go through some sources again and again, as a schedule says; every item is one epoch.

    Args:
        train: The sources.
        schedule: Gives batches and pairs.
        generator: A CPU generator, the only source of randomness.
        released: Whether ties count and pairs are fixed.
    """
    mos = [source.mos for source in train]

    def epoch() -> Iterator[PairBatch]:
        if schedule.pairs is None:
            batches = in_batch_epoch(mos, schedule.batch, generator, released.ties)
        else:
            pairs = [schedule.pairs_of(source.task) or 0 for source in train]
            batches = drawn_epoch(mos, schedule.batch, pairs, generator, released.ties)
        return (batch for batch in batches if len(batch.target))

    fixed = list(epoch()) if released.fixed_pairs else None
    while True:
        if fixed is None:
            yield epoch()
        else:
            yield map(fixed.__getitem__, torch.randperm(len(fixed), generator=generator).tolist())


def judged_pairs(
    mos: Tensor, first: Tensor, second: Tensor, ties: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Judge pairs [P] of images by their opinion scores [B]; ties are left out, or count as 0."""
    if not ties:
        differ = mos[first] != mos[second]
        first, second = first[differ], second[differ]
    return first, second, (mos[first] > mos[second]).to(mos.dtype)


def in_batch_pairs(mos: Tensor, ties: bool = False) -> tuple[Tensor, Tensor, Tensor]:
    """Form every pair within a batch of images of one task.

    Args:
        mos: Labels [B], higher is better.
        ties: Whether pairs with equal labels count, with target 0, or are left out.

    Returns:
        First and second positions and targets, as in :class:`PairBatch`; first < second.
    """
    first, second = torch.triu_indices(len(mos), len(mos), offset=1, device=mos.device)
    return judged_pairs(mos, first, second, ties)


def in_batch_epoch(
    mos: Sequence[Tensor], batch: int, generator: torch.Generator, ties: bool = False
) -> Iterator[PairBatch]:
    """Visit every image of every source once, comparing all images within a batch.

    A batch of B images gives B(B-1)/2 pairs, where loading pair by pair gives B/2; batches never
    mix sources, since opinion scores of two datasets do not compare.

    Args:
        mos: One float tensor [n] a source.
        batch: Images a batch; a remainder of one image is left out.
        generator: A CPU generator, the only source of randomness.
        ties: Whether ties count, see :func:`in_batch_pairs`.
    """
    plans = []
    for source, labels in enumerate(mos):
        parts = torch.randperm(len(labels), generator=generator).split(batch)
        plans += [(source, part) for part in parts if len(part) > 1]
    for position in torch.randperm(len(plans), generator=generator).tolist():
        source, indices = plans[position]
        yield PairBatch(source, indices, *in_batch_pairs(mos[source][indices], ties))


def drawn_epoch(
    mos: Sequence[Tensor],
    batch: int,
    pairs: Sequence[int],
    generator: torch.Generator,
    ties: bool = False,
) -> Iterator[PairBatch]:
    """Draw pairs of images one by one, as the paper's protocol does.

    Args:
        mos: One float tensor [n] a source.
        batch: Pairs a batch, so 2 x batch images.
        pairs: Pairs an epoch, one number a source.
        generator: A CPU generator, the only source of randomness.
        ties: Whether ties count, see :func:`in_batch_pairs`; else batches may have fewer pairs.
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
        indices = torch.cat([left, (left + shift) % len(labels)])
        positions = torch.arange(size)
        judged = judged_pairs(labels[indices], positions, positions + size, ties)
        yield PairBatch(source, indices, *judged)

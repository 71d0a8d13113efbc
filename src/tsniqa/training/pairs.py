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
    released: Released,
    pairs_seed: int = 0,
) -> Iterator[Iterator[PairBatch]]:
    """Go through some sources again and again, as a schedule says; every item is one epoch.

    Args:
        train: The sources.
        schedule: Gives batches and pairs.
        generator: A CPU generator, the source of all other randomness.
        released: Whether ties count and pairs are fixed.
        pairs_seed: Of drawn pairs that are fixed.
    """
    mos = [source.mos for source in train]

    def draw(chosen: torch.Generator) -> list[Tensor]:
        counts = [schedule.pairs_of(source.task) for source in train]
        return [draw_pairs(*own, chosen) for own in zip(mos, counts, strict=True)]

    def epoch(drawn: Sequence[Tensor]) -> Iterator[PairBatch]:
        how = schedule.batch, generator, released.ties
        batches = drawn_epoch(mos, drawn, *how) if drawn else in_batch_epoch(mos, *how)
        return (batch for batch in batches if len(batch.target))

    drawn: Sequence[Tensor] = ()
    if released.fixed_pairs and schedule.pairs is None:
        formed = list(epoch(drawn))
        while True:
            yield map(formed.__getitem__, _shuffled(len(formed), generator))
    if released.fixed_pairs:
        drawn = draw(torch.Generator().manual_seed(pairs_seed))
    while True:
        if schedule.pairs is not None and not released.fixed_pairs:
            drawn = draw(generator)
        yield epoch(drawn)


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
    for position in _shuffled(len(plans), generator):
        source, indices = plans[position]
        yield PairBatch(source, indices, *in_batch_pairs(mos[source][indices], ties))


def draw_pairs(mos: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Draw pairs of different images among those with labels [n], n > 1: int64 [2, count]."""
    left = torch.randint(len(mos), (count,), generator=generator)
    # A shift by 1..n-1 never pairs an image with itself.
    shift = torch.randint(1, len(mos), (count,), generator=generator)
    return torch.stack([left, (left + shift) % len(mos)])


def drawn_epoch(
    mos: Sequence[Tensor],
    drawn: Sequence[Tensor],
    batch: int,
    generator: torch.Generator,
    ties: bool = False,
) -> Iterator[PairBatch]:
    """Go once through pairs of images that were drawn, as the paper's protocol does.

    Args:
        mos: One float tensor [n] a source.
        drawn: The pairs of each source, see :func:`draw_pairs`.
        batch: Pairs a batch, so 2 x batch images.
        generator: A CPU generator, the only source of randomness.
        ties: Whether ties count, see :func:`in_batch_pairs`; else batches may have fewer pairs.
    """
    plans = []
    for source, pairs in enumerate(drawn):
        parts = torch.randperm(pairs.shape[1], generator=generator).split(batch)
        plans += [(source, part) for part in parts]
    for position in _shuffled(len(plans), generator):
        source, part = plans[position]
        indices, positions = drawn[source][:, part].flatten(), torch.arange(len(part))
        judged = judged_pairs(mos[source][indices], positions, positions + len(part), ties)
        yield PairBatch(source, indices, *judged)


def _shuffled(count: int, generator: torch.Generator) -> list[int]:
    return torch.randperm(count, generator=generator).tolist()

"""Which images are compared with which."""

from collections import Counter
from itertools import combinations, islice

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tsniqa.training.context import LabelledImages
from tsniqa.training.pairs import (
    draw_pairs,
    drawn_epoch,
    epochs_of_pairs,
    in_batch_epoch,
    in_batch_pairs,
)
from tsniqa.training.schedules import HeadSchedule, Released

labels = st.lists(st.integers(0, 4).map(float), min_size=2, max_size=12)
sources = st.lists(labels, min_size=1, max_size=3)
habit = st.booleans()


def epoch(function, mos, *arguments, ties=False, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return list(function([torch.tensor(one) for one in mos], *arguments, generator, ties))


def draw_and_go(mos, batch, counts, generator, ties=False):
    drawn = [draw_pairs(*own, generator) for own in zip(mos, counts, strict=True)]
    return drawn_epoch(mos, drawn, batch, generator, ties)


def rows(batch):
    """What a batch compares: first and second image, and the target."""
    first, second = (batch.indices[one].tolist() for one in (batch.first, batch.second))
    return list(zip(first, second, batch.target.tolist(), strict=True))


@given(mos=sources, batch=st.integers(2, 7), ties=habit, seed=st.integers(0, 99))
def test_in_batch_epochs_visit_every_image_once_and_compare_all_within_a_batch(
    mos, batch, ties, seed
):
    batches = epoch(in_batch_epoch, mos, batch, ties=ties, seed=seed)
    for source, values in enumerate(mos):
        own = [one for one in batches if one.source == source]
        visited = torch.cat([one.indices for one in own]).tolist()
        assert len(visited) == len(set(visited))
        assert len(values) - len(visited) == (1 if len(values) % batch == 1 else 0)
        for one in own:
            assert len(one.indices) <= batch
            assert rows(one) == [
                (i, j, float(values[i] > values[j]))
                for i, j in combinations(one.indices.tolist(), 2)
                if ties or values[i] != values[j]
            ]


@given(
    mos=sources, batch=st.integers(1, 7), pairs=st.integers(1, 30), ties=habit,
    seed=st.integers(0, 99),
)  # fmt: skip
def test_drawn_epochs_draw_so_many_pairs_a_source(mos, batch, pairs, ties, seed):
    batches = epoch(draw_and_go, mos, batch, [pairs] * len(mos), ties=ties, seed=seed)
    for source, values in enumerate(mos):
        own = [one for one in batches if one.source == source]
        assert sum(len(one.indices) for one in own) == 2 * pairs
        for one in own:
            assert len(one.indices) <= 2 * batch
            drawn = list(zip(*(part.tolist() for part in one.indices.chunk(2)), strict=True))
            assert all(i != j for i, j in drawn)
            assert rows(one) == [
                (i, j, float(values[i] > values[j]))
                for i, j in drawn
                if ties or values[i] != values[j]
            ]


def test_equal_opinions_are_left_out_or_count_as_if_the_second_were_better():
    mos = torch.tensor([2.0, 2.0, 1.0])
    first, second, target = in_batch_pairs(mos)
    assert [first.tolist(), second.tolist(), target.tolist()] == [[0, 1], [2, 2], [1, 1]]
    first, second, target = in_batch_pairs(mos, ties=True)
    assert [first.tolist(), second.tolist()] == [[0, 0, 1], [1, 2, 2]]
    assert target.tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    ("function", "arguments"), [(in_batch_epoch, (4,)), (draw_and_go, (4, [9, 9]))]
)
def test_the_generator_alone_decides(function, arguments):
    mos = [[float(i) for i in range(10)], [float(i) for i in range(7)]]

    def flat(seed):
        return [
            part.tolist() for one in epoch(function, mos, *arguments, seed=seed) for part in one[1:]
        ]

    torch.manual_seed(1)
    first = flat(5)
    torch.manual_seed(2)
    assert flat(5) == first
    assert flat(6) != first


class TestEpochs:
    @pytest.fixture(params=[None, 23], ids=["in batch", "drawn"])
    def epochs(self, request):
        """Three epochs over two sources, as lists of what their batches compare."""

        def form(**habits):
            mos = [torch.arange(29.0), torch.tensor([1.0, 1, 2, 2, 3])]
            train = [LabelledImages(None, one) for one in mos]
            schedule = HeadSchedule(
                epochs=3, batch=4, learning_rate=1, decay_every=1, pairs=request.param
            )
            generator = torch.Generator().manual_seed(0)
            made = epochs_of_pairs(train, schedule, generator, Released(**habits))
            return [[(one.source, *rows(one)) for one in batches] for batches in islice(made, 3)]

        return form

    def test_every_epoch_forms_new_batches(self, epochs):
        first, second, third = epochs()
        assert set(first).isdisjoint(second) or Counter(first) != Counter(second)
        assert Counter(second) != Counter(third)

    def test_fixed_pairs_come_again_in_another_order(self, epochs):
        first, second, third = epochs(fixed_pairs=True)
        pairs = [
            [(one[0], row) for one in shown for row in one[1:]] for shown in (first, second, third)
        ]
        assert Counter(pairs[0]) == Counter(pairs[1]) == Counter(pairs[2])
        assert pairs[0] != pairs[1] != pairs[2]

    def test_both_steps_compare_one_list_of_drawn_pairs(self):
        """Whatever the batch and the step's own seed, which decide the order."""
        train = [LabelledImages(None, torch.arange(29.0))]
        shown = []
        for batch, seed, listed in ((4, 0, 7), (9, 1, 7), (9, 1, 8)):
            schedule = HeadSchedule(epochs=1, batch=batch, learning_rate=1, decay_every=1, pairs=40)
            order = torch.Generator().manual_seed(seed)
            made = epochs_of_pairs(train, schedule, order, Released(fixed_pairs=True), listed)
            shown.append(Counter(row for one in next(made) for row in rows(one)))
        assert shown[0] == shown[1] != shown[2]

    def test_ties_count_where_they_shall(self, epochs):
        def tied(shown):
            return [
                target
                for batches in shown
                for source, *compared in batches
                for i, j, target in compared
                if source and i // 2 == j // 2 and max(i, j) < 4
            ]

        assert tied(epochs()) == []
        targets = tied(epochs(ties=True))
        assert targets
        assert set(targets) == {0}

    def test_a_batch_without_a_pair_is_left_out(self):
        train = [LabelledImages(None, torch.ones(8)), LabelledImages(None, torch.arange(4.0))]
        schedule = HeadSchedule(epochs=1, batch=4, learning_rate=1, decay_every=1)
        batches = next(
            epochs_of_pairs(train, schedule, torch.Generator().manual_seed(0), Released())
        )
        assert [one.source for one in batches] == [1]

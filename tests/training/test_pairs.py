"""Which images are compared with which."""

from itertools import combinations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tsniqa.training.pairs import drawn_epoch, in_batch_epoch

labels = st.lists(st.integers(0, 4).map(float), min_size=2, max_size=12)
sources = st.lists(labels, min_size=1, max_size=3)


def epoch(function, mos, *arguments, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return list(function([torch.tensor(one) for one in mos], *arguments, generator))


@given(mos=sources, batch=st.integers(2, 7), seed=st.integers(0, 99))
def test_in_batch_epochs_visit_every_image_once_and_compare_all_within_a_batch(mos, batch, seed):
    batches = epoch(in_batch_epoch, mos, batch, seed=seed)
    for source, values in enumerate(mos):
        own = [one for one in batches if one.source == source]
        visited = torch.cat([one.indices for one in own]).tolist()
        assert len(visited) == len(set(visited))
        assert len(values) - len(visited) == (1 if len(values) % batch == 1 else 0)
        for one in own:
            assert len(one.indices) <= batch
            batch_labels = [values[i] for i in one.indices.tolist()]
            expected = {
                (i, j): float(batch_labels[i] >= batch_labels[j])
                for i, j in combinations(range(len(batch_labels)), 2)
                if batch_labels[i] != batch_labels[j]
            }
            pairs = zip(one.first.tolist(), one.second.tolist(), strict=True)
            assert dict(zip(pairs, one.target.tolist(), strict=True)) == expected


@given(mos=sources, batch=st.integers(1, 7), pairs=st.integers(1, 30), seed=st.integers(0, 99))
def test_drawn_epochs_draw_so_many_pairs_a_source_and_count_ties_as_one(mos, batch, pairs, seed):
    batches = epoch(drawn_epoch, mos, batch, [pairs] * len(mos), seed=seed)
    for source, values in enumerate(mos):
        own = [one for one in batches if one.source == source]
        assert sum(len(one.target) for one in own) == pairs
        for one in own:
            assert len(one.target) <= batch
            assert len(one.indices) == 2 * len(one.target)
            for a, b, target in zip(one.first, one.second, one.target, strict=True):
                left, right = int(one.indices[a]), int(one.indices[b])
                assert left != right
                assert float(target) == float(values[left] >= values[right])


def test_every_pair_can_be_drawn():
    batches = epoch(drawn_epoch, [[1.0, 2.0, 3.0]], 50, [300])
    seen = {
        (int(one.indices[a]), int(one.indices[b]))
        for one in batches
        for a, b in zip(one.first, one.second, strict=True)
    }
    assert seen == {(i, j) for i in range(3) for j in range(3) if i != j}


@pytest.mark.parametrize(
    ("function", "arguments"), [(in_batch_epoch, (4,)), (drawn_epoch, (4, [9, 9]))]
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


def test_batches_of_several_sources_come_in_mixed_order():
    order = [one.source for one in epoch(in_batch_epoch, [[1.0, 2.0] * 10, [3.0, 4.0] * 10], 4)]
    assert sorted(order) == [0] * 5 + [1] * 5
    assert order != sorted(order)

"""The memory of replay: never above its budget, balanced, and independent of the tasks' order."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsniqa.strategies.memory import remembered, shares

SIZES = st.dictionaries(
    st.text("abcdef", min_size=1, max_size=3), st.integers(1, 60), min_size=1, max_size=8
)
BUDGETS = st.integers(0, 200)


@given(SIZES, BUDGETS)
def test_the_budget_is_never_exceeded_nor_wasted(sizes, budget):
    kept = shares(sizes, budget)
    assert kept.keys() == sizes.keys()
    assert all(0 <= kept[name] <= sizes[name] for name in sizes)
    assert sum(kept.values()) == min(budget, sum(sizes.values()))


@given(SIZES, BUDGETS)
def test_what_does_not_fit_is_balanced_within_one_image(sizes, budget):
    kept = shares(sizes, budget)
    short = [kept[name] for name in sizes if kept[name] < sizes[name]]
    if short:
        assert max(short) - min(short) <= 1
        assert max(kept.values()) <= min(short) + 1


@given(SIZES, BUDGETS, st.integers(1, 60))
def test_one_more_task_never_brings_back_what_was_forgotten(sizes, budget, size):
    before, after = shares(sizes, budget), shares(sizes | {"another": size}, budget)
    assert all(after[name] <= before[name] for name in sizes)


def test_large_tasks_keep_the_shares_that_are_documented():
    large = [
        shares({str(task): 10**5 for task in range(1, tasks + 1)}, 1000) for tasks in (1, 3, 6)
    ]
    assert [sorted(kept.values()) for kept in large] == [
        [1000],
        [333, 333, 334],
        [166, 166, 167, 167, 167, 167],
    ]
    assert shares({str(task): 160 for task in range(6)}, 1000) == {
        str(task): 160 for task in range(6)
    }


@pytest.fixture
def tight(world):
    """Three tasks, of whose 16 training images each a memory of 20 keeps six or seven."""
    plan = world.plan("multihead", ("beta", "gamma", "alpha"))
    plan.context.memory = 20
    return plan


def train_images(task):
    return set(task.part("train")["image"])


def test_the_memory_is_the_same_in_every_order(tight):
    first = remembered(tight.context, tight.tasks)
    assert [len(train_images(task)) for task in first] == [6, 7, 7]
    for order in permutations(tight.tasks):
        again = remembered(tight.context, order)
        assert [task.name for task in again] == ["alpha", "beta", "gamma"]
        assert all(a.table.equals(b.table) for a, b in zip(first, again, strict=True))


def test_a_smaller_share_is_part_of_the_larger(tight):
    larger = set()
    for seen in (1, 2, 3):
        tasks = remembered(tight.context, tight.tasks[:seen])
        kept = train_images(next(task for task in tasks if task.name == "beta"))
        assert not larger or kept < larger
        larger = kept
    assert len(larger) == 7


def test_another_seed_and_another_task_remember_other_images(world, tight):
    other = world.plan("multihead", seed=1)
    other.context.memory = 20
    mine = [train_images(task) for task in remembered(tight.context, tight.tasks)]
    assert mine != [train_images(task) for task in remembered(other.context, other.tasks)]
    assert mine[1] != mine[2]  # the tests' tasks name their images alike


def test_only_training_images_are_forgotten_and_the_rest_keep_their_labels(world, tight):
    for short in remembered(tight.context, tight.tasks):
        whole = world.task(short.name)
        assert train_images(short) < train_images(whole)
        for part in ("val", "test"):
            assert short.part(part).equals(whole.part(part))
        images, mos, *_ = tight.context.images(short, "train")
        labels = dict(zip(whole.paths("train"), whole.mos("train").astype("f4"), strict=True))
        assert [labels[path] for path in images.paths] == mos.tolist()

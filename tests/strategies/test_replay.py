"""Replay beside the new task: a batch of every memory at every step."""

from itertools import islice

import pytest
import torch

from tsniqa.strategies.memory import memories
from tsniqa.strategies.replay import Replay, endless, replay_batch
from tsniqa.training.schedules import ImageStep


def step(**fields):
    defaults = {
        "epochs": 1, "batch": 8, "learning_rate": 0.1, "head_learning_rate": 0.1,
        "decay_every": 1, "crop": 24, "statistics": "kept",
    }  # fmt: skip
    return ImageStep(**(defaults | fields))


def test_memories_share_a_batch_as_in_the_released_code():
    assert [replay_batch(32, tasks) for tasks in (1, 2, 3, 4, 5)] == [32, 16, 8, 8, 8]
    assert replay_batch(6, 5) == 2  # the fewest that make a pair


@pytest.fixture
def memory(world):
    plan = world.plan("multihead")
    return list(memories(plan.setting, plan.tasks[2], plan.tasks[:2]).values())


@pytest.mark.parametrize("pairs", [None, 40])
def test_every_pass_shows_a_batch_of_each_memory_with_its_labels(memory, pairs):
    for shown in islice((list(Replay(memory, step(pairs=pairs), 0)) for _ in range(2)), 2):
        assert len(shown) == 2
        for own, (batch, crops) in zip(memory, shown, strict=True):
            assert crops.shape == ((4 if pairs is None else 8), 3, 24, 24)
            assert crops.dtype == torch.uint8
            labels = own.mos[batch.indices]
            assert torch.equal(batch.target, (labels[batch.first] >= labels[batch.second]).float())


def test_a_crop_is_cut_from_its_image(memory):
    batch, crops = next(iter(Replay(memory, step(crop=32), 0)))  # 32: the whole image
    for index, crop in zip(batch.indices.tolist(), crops, strict=True):
        image = memory[0].images[index]
        assert crop.equal(image) or crop.equal(image.flip(-1))


def test_a_memory_starts_again_when_all_of_it_was_shown(memory):
    generator = torch.Generator().manual_seed(0)
    stream = endless(memory[0].mos, step(), 4, generator)
    shown = [torch.cat([next(stream).indices for _ in range(4)]) for _ in range(3)]
    assert all(sorted(once.tolist()) == list(range(16)) for once in shown)
    assert not torch.equal(shown[0], shown[1])


def test_the_seed_decides(memory):
    first, again, other = (Replay(memory, step(), seed) for seed in (3, 3, 4))
    for _ in range(3):
        for one, two in zip(first, again, strict=True):
            assert torch.equal(one[0].indices, two[0].indices)
            assert torch.equal(one[1], two[1])
    assert not torch.equal(next(iter(first))[1], next(iter(other))[1])

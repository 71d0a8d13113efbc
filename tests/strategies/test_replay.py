"""Replay beside the new task: a batch of every memory at every step."""

import pytest
import torch

from tsniqa.model.heads import LinearHead
from tsniqa.strategies.replay import Replay, endless, replay_batch
from tsniqa.training.schedules import FinetuneSchedule, Released
from tsniqa.training.trainer import Source


def schedule(**fields):
    defaults = {
        "epochs": 1, "batch": 8, "learning_rate": 0.1, "head_learning_rate": 0.1,
        "decay_every": 1, "crop": 24, "bn_statistics": "kept",
    }  # fmt: skip
    return FinetuneSchedule(**(defaults | fields))


def test_memories_share_a_batch_as_in_the_released_code():
    assert [replay_batch(32, tasks) for tasks in (1, 2, 3, 4, 5)] == [32, 16, 8, 8, 8]
    assert replay_batch(6, 5) == 2  # the fewest that make a pair


@pytest.fixture
def memory(world):
    plan = world.plan("multihead")
    return [Source(plan.context.images(task, "train"), LinearHead(32)) for task in plan.tasks[:2]]


@pytest.mark.parametrize("pairs", [None, 40])
def test_every_pass_shows_a_batch_of_each_memory_with_its_labels(memory, world, pairs):
    replay, backbone = Replay(memory, schedule(pairs=pairs), 0, Released()), world.backbone()
    for _ in range(2):
        shown = list(replay.batches(backbone, 1))
        assert len(shown) == 2
        for own, batch in zip(memory, shown, strict=True):
            assert batch.head is own.head
            assert batch.inputs.shape == ((4 if pairs is None else 8), 3, 24, 24)
            assert torch.equal(batch.features, backbone(batch.inputs).head)
            labels, picked = own.images.mos[batch.pairs.indices], batch.pairs
            target = (labels[picked.first] >= labels[picked.second]).float()
            assert torch.equal(picked.target, target)


def test_a_crop_is_cut_from_its_image(memory, world):
    backbone = world.backbone()
    batch = next(
        Replay(memory, schedule(crop=32), 0, Released()).batches(backbone, 1)
    )  # 32: the whole image
    for index, inputs in zip(batch.pairs.indices.tolist(), batch.inputs, strict=True):
        image = backbone.preprocess(memory[0].images.images[index][None])[0]
        assert inputs.equal(image) or inputs.equal(image.flip(-1))


def test_a_memory_starts_again_when_all_of_it_was_shown(memory):
    generator = torch.Generator().manual_seed(0)
    stream = endless(memory[0].images.mos, 4, False, generator)
    shown = [torch.cat([next(stream).indices for _ in range(4)]) for _ in range(3)]
    assert all(sorted(once.tolist()) == list(range(16)) for once in shown)
    assert not torch.equal(shown[0], shown[1])


def test_replayed_pairs_follow_the_habits_of_the_released_code(memory, world):
    tied = memory[0]._replace(images=memory[0].images._replace(mos=torch.ones(16)))
    backbone, passes = world.backbone(), []
    backbone.register_forward_pre_hook(lambda module, given: passes.append(len(given[0])))
    assert next(Replay([tied], schedule(), 0, Released()).batches(backbone, 1)) is None
    habits = Released(ties=True, two_forwards=True)
    batch = next(Replay([tied], schedule(), 0, habits).batches(backbone, 1))
    assert len(batch.pairs.target) == 8 * 7 / 2 and not batch.pairs.target.any()
    assert passes == [4, 4]

"""Multi-head replay: old heads go on learning from the memory of their own tasks."""

import itertools

import pytest
import torch

from tsniqa.model.fidelity import fidelity_loss, thurstone
from tsniqa.scoring.features import image_features
from tsniqa.strategies import memory
from tsniqa.strategies.multihead import MultiHead
from tsniqa.strategies.replay_multihead import ReplayMultiHead
from tsniqa.training import trainer as training


def learned(world, order, method=ReplayMultiHead, **fields):
    plan = world.plan("multihead", order, **fields)
    strategy = method(plan.setting)
    for step, task in enumerate(plan.tasks):
        strategy.learn(task, plan.tasks[:step])
    return plan, strategy


def equal_states(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


@pytest.fixture
def to_the_end(monkeypatch):
    """Keep the last epoch whatever its validation, so that there is something to compare."""
    rising = itertools.count()
    monkeypatch.setattr(training, "mean_srcc", lambda results: float(next(rising)))


def test_the_first_task_is_learned_as_without_memory(world):
    _, plain = learned(world, ("alpha",), MultiHead)
    _, strategy = learned(world, ("alpha",))
    assert equal_states(strategy.state(), plain.state())


def test_without_memory_it_is_multi_head(world, to_the_end, monkeypatch):
    monkeypatch.setattr(memory, "remembered", lambda setting, tasks: [])
    _, plain = learned(world, ("alpha", "beta"), MultiHead)
    _, strategy = learned(world, ("alpha", "beta"))
    assert equal_states(strategy.state(), plain.state())


def test_every_memory_is_learned_under_its_own_head(world, tight):
    plan, strategy = learned(world, ("beta", "alpha"))
    replayed = strategy.replayed(world.task("gamma"), plan.tasks)
    assert [head for _, head in replayed] == [strategy.heads_[name] for name in ("alpha", "beta")]
    for (labelled, _), name in zip(replayed, ("alpha", "beta"), strict=True):
        assert len(labelled.images) == 10
        assert set(labelled.images.paths) < set(world.task(name).paths("train"))


def test_old_heads_go_on_learning(world, to_the_end):
    plan, strategy = learned(world, ("alpha",))
    kept = strategy.heads_["alpha"].weight.detach().clone()
    strategy.learn(world.task("beta"), plan.tasks)
    assert not torch.equal(strategy.heads_["alpha"].weight, kept)
    assert strategy.heads_["alpha"].weight.device.type == "cpu"


def test_the_old_task_stays_learned_better_than_without(world, to_the_end):
    longer = {"schedule.full.epochs": 6, "schedule.full.learning_rate": 0.01}
    loss = {}
    for method in (MultiHead, ReplayMultiHead):
        plan, strategy = learned(world, ("alpha", "beta"), method, overrides=longer)
        images, mos, _ = plan.setting.images(plan.tasks[0], "train")
        quality = strategy.heads_["alpha"](image_features(strategy.backbone, images).head).detach()
        first, second = torch.triu_indices(len(mos), len(mos), offset=1)
        target = (mos[first] >= mos[second]).float()
        loss[method] = float(
            fidelity_loss(thurstone(quality[first], quality[second]), target).mean()
        )
    assert loss[ReplayMultiHead] < loss[MultiHead]


def test_a_fresh_strategy_goes_on_from_a_stored_state_bit_for_bit(world, tight, to_the_end):
    batch = {"schedule.full.statistics": "batch"}
    _, whole = learned(world, ("gamma", "beta", "alpha"), overrides=batch)
    plan, part = learned(world, ("gamma", "beta"), overrides=batch)
    state = {key: value.clone() for key, value in part.state().items()}
    fresh = ReplayMultiHead(plan.setting)
    fresh.load_state(state)
    assert equal_states(fresh.state(), state)
    fresh.learn(world.task("alpha"), plan.tasks)
    assert equal_states(fresh.state(), whole.state())


def test_offsets_name_every_head(world):
    plan, strategy = learned(world, ("alpha",))
    assert strategy.learn(world.task("beta"), plan.tasks).offsets.keys() == {"alpha", "beta"}

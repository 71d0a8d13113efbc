"""Replay with one head: the new task and memories are learned together, pairs of one at a time."""

import itertools

import pytest
import torch

from tsniqa.strategies import memory, replay_shared
from tsniqa.strategies.replay_shared import ReplayShared
from tsniqa.strategies.sequential import HEAD, Sequential
from tsniqa.training import trainer as training


def learned(world, order, method=ReplayShared, **fields):
    plan = world.plan("sequential", order, **fields)
    strategy = method(plan.setting)
    for step, task in enumerate(plan.tasks):
        strategy.learn(task, plan.tasks[:step])
    return plan, strategy


CROPS = {
    "epochs": 2, "batch": 8, "learning_rate": 0.1, "head_learning_rate": 0.1, "decay_every": 20,
    "crop": 24, "statistics": "kept",
}  # fmt: skip


def equal_states(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


@pytest.fixture
def to_the_end(monkeypatch):
    """Keep the last epoch whatever its validation, so that there is something to compare."""
    rising = itertools.count()
    monkeypatch.setattr(training, "mean_srcc", lambda results: float(next(rising)))


def test_the_first_task_is_learned_as_without_memory(world):
    _, plain = learned(world, ("alpha",), Sequential)
    _, strategy = learned(world, ("alpha",))
    assert equal_states(strategy.state(), plain.state())


def test_without_memory_it_is_sequential(world, to_the_end, monkeypatch):
    monkeypatch.setattr(memory, "remembered", lambda setting, tasks: [])
    _, plain = learned(world, ("alpha", "beta"), Sequential)
    _, strategy = learned(world, ("alpha", "beta"))
    assert equal_states(strategy.state(), plain.state())


def test_the_network_learns_from_each_memory_as_a_source_of_its_own(world, tight, monkeypatch):
    given = []

    def watch(backbone, head, trained, train, validation, step, seed):
        given.append((head, train, validation))
        return []

    plan, strategy = learned(world, ("beta", "alpha"))
    monkeypatch.setattr(replay_shared, "learn_images", watch)
    strategy.learn(world.task("gamma"), plan.tasks)
    head, train, validation = given[-1]
    assert head is strategy.head
    sources = [set(source.images.paths) for source in train]
    whole = [set(world.task(name).paths("train")) for name in ("gamma", "alpha", "beta")]
    assert sources[0] == whole[0]
    assert sources[1] < whole[1]
    assert sources[2] < whole[2]
    assert len(sources[1]) + len(sources[2]) == 20
    assert [set(source.images.paths) for source in validation] == [
        set(world.task("gamma").paths("val"))
    ]


@pytest.mark.parametrize("shown", ["features", "crops"])
def test_step_one_replays_too(world, to_the_end, shown):
    fields = {"schedule.full.epochs": 0}
    if shown == "crops":
        fields["schedule.head"] = CROPS
    _, plain = learned(world, ("alpha", "beta"), Sequential, overrides=fields)
    _, strategy = learned(world, ("alpha", "beta"), overrides=fields)
    assert not torch.equal(strategy.head.weight, plain.head.weight)
    assert strategy.filters_fingerprint() == plain.filters_fingerprint()


def test_a_fresh_strategy_goes_on_from_a_stored_state_bit_for_bit(world, tight, to_the_end):
    batch = {"schedule.full.statistics": "batch"}
    _, whole = learned(world, ("gamma", "beta", "alpha"), overrides=batch)
    plan, part = learned(world, ("gamma", "beta"), overrides=batch)
    state = {key: value.clone() for key, value in part.state().items()}
    fresh = ReplayShared(plan.setting)
    fresh.load_state(state)
    assert equal_states(fresh.state(), state)
    result = fresh.learn(world.task("alpha"), plan.tasks)
    assert result.offsets == {HEAD: 0.0}
    assert equal_states(fresh.state(), whole.state())

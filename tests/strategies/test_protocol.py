"""What holds for every strategy."""

import inspect
from pathlib import Path

import numpy as np
import pytest
import torch

from tsniqa.errors import ConfigError
from tsniqa.strategies import STRATEGIES, Strategy, find_strategy
from tsniqa.strategies.from_file import load_strategy
from tsniqa.strategies.protocol import members

PROTOCOL = [name for name, _ in inspect.getmembers(Strategy) if not name.startswith("_")]

# The book's examples are not part of the package; they must hold all the same.
FILES = sorted((Path(__file__).parents[2] / "book" / "examples").glob("*.py"))
EXAMPLES = {strategy.name: strategy for strategy in map(load_strategy, FILES)}

BATCH_STATISTICS = {f"schedule.{step}.statistics": "batch" for step in ("normalization", "full")}


def learned(world, name, order, **fields):
    plan = world.plan(name, order, **fields)
    for step, task in enumerate(plan.tasks):
        plan.strategy.learn(task, plan.tasks[:step])
    return plan


def equal_states(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


@pytest.fixture(params=[*sorted(STRATEGIES), *EXAMPLES])
def name(request, monkeypatch):
    if request.param in EXAMPLES:
        monkeypatch.setitem(STRATEGIES, request.param, EXAMPLES[request.param])
    return request.param


def test_every_member_of_the_protocol_says_what_it_must_hold():
    told = members()
    assert set(told) == {*PROTOCOL, *Strategy.__annotations__}
    assert told["name"] == "The name it is known by."
    assert told["drifting"].endswith("the tasks would give is then unknown.")
    assert told["load_state"] == "Replace everything learned by what state returned."
    assert not any("`" in text or "  " in text for text in told.values())


def test_it_offers_the_whole_protocol_under_its_name(name):
    strategy = find_strategy(name)
    assert strategy.name == name
    assert isinstance(strategy.gated, bool)
    assert isinstance(strategy.all_at_once, bool)
    for member in PROTOCOL:
        assert hasattr(strategy, member), member


def test_scores_lie_between_minus_one_and_one_a_column_a_head(name, world):
    plan = learned(world, name, ("alpha", "beta"))
    images = plan.setting.images(plan.tasks[0], "test").images
    scores = plan.strategy.heads(images)
    assert scores.shape == (len(images), len(plan.strategy.head_names))
    assert scores.dtype == np.float32
    assert np.abs(scores).max() <= 1 + 1e-6
    assert np.array_equal(plan.strategy.heads(images, plan.strategy.head_names[:1]), scores[:, :1])
    distances = plan.strategy.distances(images)
    if plan.strategy.gated:
        assert plan.strategy.head_names == ["alpha", "beta"]
        assert distances.shape == (len(images), 2, 2)
    else:
        assert plan.strategy.head_names == ["shared"]
        assert distances is None


def test_the_same_seed_learns_the_same_bits_and_another_seed_others(name, world):
    first = learned(world, name, ("alpha",)).strategy.state()
    torch.manual_seed(1234)  # no global stream may matter
    assert equal_states(first, learned(world, name, ("alpha",)).strategy.state())
    other = world.plan(name, ("alpha",), seed=1)
    other.strategy.learn(other.tasks[0], [])
    assert not equal_states(first, other.strategy.state())


def test_a_fresh_strategy_goes_on_from_a_stored_state_bit_for_bit(name, world):
    whole = learned(world, name, ("gamma", "alpha"), overrides=BATCH_STATISTICS)
    part = learned(world, name, ("gamma",), overrides=BATCH_STATISTICS)
    state = {key: value.clone() for key, value in part.strategy.state().items()}
    resumed = world.plan(name, ("gamma", "alpha"), overrides=BATCH_STATISTICS)
    resumed.strategy.load_state(state)
    assert equal_states(resumed.strategy.state(), state)
    assert resumed.strategy.head_names == part.strategy.head_names
    resumed.strategy.learn(resumed.tasks[1], resumed.tasks[:1])
    assert equal_states(resumed.strategy.state(), whole.strategy.state())
    for task in whole.tasks:
        images = whole.setting.images(task, "test").images
        assert np.array_equal(resumed.strategy.heads(images), whole.strategy.heads(images))
        if whole.strategy.gated:
            assert np.array_equal(
                resumed.strategy.distances(images), whole.strategy.distances(images)
            )
    assert resumed.strategy.parameters() == whole.strategy.parameters()


def test_it_saves_something_for_scoring(name, world, tmp_path):
    strategy = learned(world, name, ("alpha",)).strategy
    strategy.save(tmp_path / "model")
    assert list((tmp_path / "model").glob("*.safetensors"))


def test_offsets_name_the_heads_that_changed(name, world):
    plan = world.plan(name, ("alpha", "beta"))
    for step, task in enumerate(plan.tasks):
        result = plan.strategy.learn(task, plan.tasks[:step])
        assert (task.name if plan.strategy.gated else "shared") in result.offsets
        assert set(result.offsets) <= set(plan.strategy.head_names)
        assert result.history[0].step == "head"
        assert result.history[0].epoch == 0


def test_heads_that_offsets_do_not_name_keep_their_scores(name, world):
    plan = world.plan(name, ("alpha", "beta"))
    images = plan.setting.images(plan.tasks[0], "test").images
    plan.strategy.learn(plan.tasks[0], [])
    before = dict(zip(plan.strategy.head_names, plan.strategy.heads(images).T, strict=True))
    changed = plan.strategy.learn(plan.tasks[1], plan.tasks[:1]).offsets
    for head in before.keys() - changed.keys():
        assert np.array_equal(plan.strategy.heads(images, [head])[:, 0], before[head])


def test_an_unknown_strategy_is_named_with_the_valid_ones():
    with pytest.raises(ConfigError, match=r"unknown strategy 'sequencial'; did you mean"):
        find_strategy("sequencial")

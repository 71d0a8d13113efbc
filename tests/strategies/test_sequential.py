"""Sequential fine-tuning: one network and one head, and filters that move."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file


@pytest.fixture(scope="module")
def steps(world):
    """The plan, and the state after each task."""
    plan = world.plan("sequential", ("alpha", "beta"))
    states = []
    for step, task in enumerate(plan.tasks):
        plan.strategy.learn(task, plan.tasks[:step])
        states.append({k: v.clone() for k, v in plan.strategy.state().items()})
    return plan, states


def test_filters_move_and_the_head_goes_on(steps):
    plan, (first, second) = steps
    assert plan.strategy.filters_fingerprint() != plan.fingerprints["filters before"]
    assert not torch.equal(first["head"], second["head"])


def test_the_reference_network_that_strategies_share_stays_as_it_was(steps):
    plan, _ = steps
    assert plan.setting.backbone.filters_fingerprint() == plan.fingerprints["filters before"]


def test_the_order_matters(world, steps):
    _, states = steps
    other = world.plan("sequential", ("beta", "alpha"))
    for step, task in enumerate(other.tasks):
        other.strategy.learn(task, other.tasks[:step])
    assert not torch.equal(other.strategy.state()["head"], states[-1]["head"])


def test_every_trained_value_is_counted_and_none_is_added_by_a_task(steps):
    plan, _ = steps
    network = sum(p.numel() for p in plan.setting.backbone.network.parameters())
    count = plan.strategy.parameters()
    assert (count.learnable_per_task, count.stored_per_task) == (network + 32, 0)


def test_its_file_holds_the_network_and_the_head(steps, tmp_path):
    plan, states = steps
    plan.strategy.save(tmp_path)
    stored = load_file(tmp_path / "sequential.safetensors")
    assert stored.keys() == states[-1].keys()
    assert all(torch.equal(stored[name], value) for name, value in states[-1].items())


def test_with_no_step_two_the_network_stays_and_the_head_goes_on_from_task_to_task(world):
    plan = world.plan("sequential", ("alpha", "beta"), overrides={"schedule.full.epochs": 0})
    first = plan.strategy.learn(plan.tasks[0], [])
    weight = plan.strategy.head.weight.detach().clone()
    second = plan.strategy.learn(plan.tasks[1], plan.tasks[:1])
    assert {epoch.step for epoch in first.history + second.history} == {"head"}
    assert plan.strategy.filters_fingerprint() == plan.fingerprints["filters before"]
    again = world.plan("sequential", ("beta",), overrides={"schedule.full.epochs": 0})
    with torch.no_grad():
        again.strategy.head.weight.copy_(weight)
    again.strategy.learn(again.tasks[0], [])
    assert np.array_equal(
        again.strategy.state()["head"].numpy(), plan.strategy.state()["head"].numpy()
    )

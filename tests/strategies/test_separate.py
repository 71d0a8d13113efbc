"""Separate: a whole network a task, swapped as one."""

import numpy as np
import torch
from safetensors.torch import load_file


def learned(world, order=("alpha", "beta")):
    plan = world.plan("separate", order)
    for step, task in enumerate(plan.tasks):
        plan.strategy.learn(task, plan.tasks[:step])
    return plan


def test_each_task_has_its_own_filters_and_the_initial_ones_come_back(world):
    plan = learned(world)
    states = plan.strategy.model.bank.states
    name = "layer1.0.conv1.weight"
    assert not torch.equal(states["alpha"][name], states["beta"][name])
    assert plan.strategy.filters_fingerprint() == plan.fingerprints["filters before"]


def test_a_stored_network_covers_every_parameter_and_statistic(world):
    plan = learned(world, ("alpha",))
    network = plan.setting.backbone.network.state_dict()
    expected = {name for name in network if not name.endswith("num_batches_tracked")}
    assert plan.strategy.model.bank.states["alpha"].keys() == expected
    stored = sum(value.numel() for name, value in network.items() if name in expected)
    count = plan.strategy.parameters()
    assert count.stored_per_task == stored + 32 + 5 * (24 + 32)
    trained = sum(p.numel() for p in plan.setting.backbone.network.parameters())
    assert count.learnable_per_task == trained + 32


def test_the_gate_is_tsns(world):
    plan, tsn = learned(world), world.plan("tsn", ("alpha", "beta"))
    for step, task in enumerate(tsn.tasks):
        tsn.strategy.learn(task, tsn.tasks[:step])
    images = plan.setting.images(plan.tasks[0], "test").images
    assert np.array_equal(plan.strategy.distances(images), tsn.strategy.distances(images))


def test_its_file_holds_all_networks_heads_and_centroids(world, tmp_path):
    plan = learned(world)
    plan.strategy.save(tmp_path)
    stored = load_file(tmp_path / "separate.safetensors")
    state = plan.strategy.state()
    assert stored.keys() == state.keys()
    assert all(torch.equal(stored[name], value) for name, value in state.items())

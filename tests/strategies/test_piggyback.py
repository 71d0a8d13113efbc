"""Piggyback: the filters never change; a task is one bit for each of their weights, and a head."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import conv2d

from tsniqa.scoring.features import image_features
from tsniqa.strategies.piggyback import (
    INITIAL,
    THRESHOLD,
    Masked,
    Piggyback,
    StraightThrough,
    packed,
    unpacked,
)

BATCH = {"schedule.full.statistics": "batch"}


def learned(world, order=("alpha", "beta")):
    """Learn with a rate so large that masks flip within the few steps of a test.

    With this seed the best epoch of either task is one after the first, so flips are kept.
    """
    plan = world.plan(order=order, seed=1, overrides=BATCH)
    plan.setting.strategy_weight = 6e-3
    strategy = Piggyback(plan.setting)
    for step, task in enumerate(plan.tasks):
        strategy.learn(task, plan.tasks[:step])
    return plan, strategy


def masked_layers(network):
    kinds = (nn.Conv2d, nn.Linear)
    return {name: layer for name, layer in network.named_modules() if isinstance(layer, kinds)}


def masks(strategy, task):
    layers = masked_layers(strategy.setting.backbone.network)
    bits = strategy.model.bank.states[task]
    assert bits.keys() == layers.keys()
    return {name: unpacked(bits[name], layer.weight.shape) for name, layer in layers.items()}


def test_the_gradient_of_a_mask_is_that_of_the_masked_weight_times_the_weight():
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(3, 2, 3, 3, generator=generator)
    inputs, target = (torch.randn(1, c, 5, 5, generator=generator) for c in (2, 3))
    layer = Masked(weight)
    with torch.no_grad():
        layer.mask[0] = THRESHOLD  # not above it, so not in use
    conv2d(inputs, layer(weight), padding=1).mul(target).sum().backward()
    effective = weight.clone()
    effective[0] = 0
    effective.requires_grad_()
    conv2d(inputs, effective, padding=1).mul(target).sum().backward()
    torch.testing.assert_close(layer.mask.grad, effective.grad * weight)
    assert layer.mask.grad[0].abs().min() > 0  # a weight out of use can come back


def test_the_threshold_is_strict_and_every_weight_starts_in_use():
    values = torch.tensor([0.0, THRESHOLD, THRESHOLD + 1e-4, INITIAL, -1.0])
    assert StraightThrough.apply(values).tolist() == [0, 0, 1, 1, 0]
    weight = torch.randn(2, 2, generator=torch.Generator().manual_seed(0))
    assert torch.equal(Masked(weight)(weight), weight)


def test_no_tensor_of_the_network_changes(world):
    plan = world.plan(order=("alpha", "beta"), overrides=BATCH)
    network = plan.setting.backbone.network
    before = {name: value.clone() for name, value in network.state_dict().items()}
    kinds = [type(module) for module in network.modules()]
    plan.setting.strategy_weight = 3e-3
    strategy = Piggyback(plan.setting)
    for step, task in enumerate(plan.tasks):
        strategy.learn(task, plan.tasks[:step])
        strategy.heads(plan.setting.images(task, "test").images)
        after = network.state_dict()
        assert after.keys() == before.keys()
        assert all(torch.equal(after[name], value) for name, value in before.items())
        assert strategy.filters_fingerprint() == plan.fingerprints["filters before"]
        assert not any(parameter.requires_grad for parameter in network.parameters())
    assert [type(module) for module in network.modules()] == kinds


def test_scores_are_those_of_a_network_with_the_unused_weights_set_to_zero(world):
    plan, strategy = learned(world)
    images = plan.setting.images(plan.tasks[0], "test").images
    scores = strategy.heads(images)
    for column, task in enumerate(["alpha", "beta"]):
        bits = masks(strategy, task)
        unused = sum(int((~mask).sum()) for mask in bits.values())
        assert 0 < unused < sum(mask.numel() for mask in bits.values())
        backbone = copy.deepcopy(plan.setting.backbone)
        for name, layer in masked_layers(backbone.network).items():
            layer.weight[~bits[name]] = 0
        features = image_features(backbone, images).head
        expected = strategy.model.heads[task].score(features).detach().numpy()
        assert np.array_equal(scores[:, column], expected)
    assert any(
        not torch.equal(mask, masks(strategy, "beta")[name])
        for name, mask in masks(strategy, "alpha").items()
    )


def test_a_task_stores_one_bit_a_weight(world):
    plan, strategy = learned(world, ("alpha",))
    size = sum(
        layer.weight.numel() for layer in masked_layers(plan.setting.backbone.network).values()
    )
    stored = strategy.model.bank.states["alpha"].values()
    assert all(bits.dtype == torch.uint8 for bits in stored)
    assert size / 8 <= sum(bits.numel() for bits in stored) < size / 8 + len(stored)
    count = strategy.parameters()
    assert count.learnable_per_task == size + 32
    assert count.stored_per_task == -(-size // 32) + 32 + 5 * (24 + 32)


@pytest.mark.parametrize("shape", [(3, 2, 3, 3), (5,), (4, 4)])
def test_packing_loses_nothing(shape):
    mask = torch.rand(shape, generator=torch.Generator().manual_seed(1)) > 0.4
    if len(shape) == 4:
        mask = mask.contiguous(memory_format=torch.channels_last)
    assert torch.equal(unpacked(packed(mask), shape), mask)


def test_the_schedule_is_the_whole_networks_with_the_published_rate(world):
    plan = world.plan(order=("alpha",), overrides=BATCH)
    step = Piggyback(plan.setting).step_two()
    full = plan.setting.schedule.full
    assert (step.learning_rate, step.weight_decay, step.statistics) == (1e-4, 0, "kept")
    assert (step.epochs, step.batch, step.crop) == (full.epochs, full.batch, full.crop)
    plan.setting.strategy_weight = 0.5
    assert Piggyback(plan.setting).step_two().learning_rate == 0.5


def test_order_does_not_matter_and_a_stored_state_goes_on(world, tmp_path):
    plan, strategy = learned(world)
    _, other = learned(world, ("beta", "alpha"))
    state = {name: value.clone() for name, value in strategy.state().items()}
    assert state.keys() == other.state().keys()
    assert all(torch.equal(state[name], value) for name, value in other.state().items())
    fresh = Piggyback(world.plan(order=("alpha", "beta")).setting)
    fresh.load_state(state)
    images = plan.setting.images(plan.tasks[0], "test").images
    assert np.array_equal(fresh.heads(images), strategy.heads(images))
    assert np.array_equal(fresh.distances(images), strategy.distances(images))
    assert fresh.parameters() == strategy.parameters()
    strategy.save(tmp_path)
    assert (tmp_path / "piggyback.safetensors").is_file()

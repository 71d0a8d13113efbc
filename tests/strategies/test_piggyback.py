"""Piggyback: the filters never change; a task is one bit for each of their weights, and a head."""

import copy

import numpy as np
import pytest
import torch
from torch.nn.functional import conv2d

from tsniqa.model.normalization import masked_layers
from tsniqa.scoring.features import image_features
from tsniqa.storage import unpacked
from tsniqa.strategies.piggyback import INITIAL, THRESHOLD, Masked, Piggyback, StraightThrough


@pytest.fixture
def lessons(once):
    """Learn with a rate so large that masks flip within the few steps of a test."""
    overrides = {"schedule.full.bn_statistics": "batch"}
    return once("piggyback", seed=1, overrides=overrides, weight=6e-3)


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


def test_learning_leaves_the_network_as_it_was(lessons, world):
    untouched, live = world.backbone().network, lessons.strategy.backbone.network
    state = live.state_dict()
    assert all(torch.equal(state[name], v) for name, v in untouched.state_dict().items())
    assert [type(m) for m in live.modules()] == [type(m) for m in untouched.modules()]


def test_scores_are_those_of_a_network_with_the_unused_weights_set_to_zero(lessons, world):
    scores = lessons.scores()
    images = lessons.context.images(lessons.tasks[0], "test").images
    states = lessons.model.bank.states
    for column, task in enumerate(["alpha", "beta"]):
        backbone = world.backbone()
        layers = masked_layers(backbone.network)
        assert states[task].keys() == {f"{name}.weight" for name in layers}
        unused = 0
        for name, layer in layers.items():
            mask = unpacked(states[task][f"{name}.weight"], layer.weight.shape).bool()
            layer.weight[~mask] = 0
            unused += int((~mask).sum())
        assert 0 < unused < sum(layer.weight.numel() for layer in layers.values())
        features = image_features(backbone, images).head
        expected = lessons.model.heads[task].score(features).detach().numpy()
        assert np.array_equal(scores[:, column], expected)
    assert any(
        not torch.equal(bits, states["beta"][name]) for name, bits in states["alpha"].items()
    )


def test_a_task_stores_one_bit_a_weight(lessons):
    size = sum(weight.numel() for weight in lessons.model.bank.initial.values())
    stored = lessons.model.bank.states["alpha"].values()
    assert all(bits.dtype == torch.uint8 for bits in stored)
    assert size / 8 <= sum(bits.numel() for bits in stored) < size / 8 + len(stored)


def test_the_schedule_is_the_whole_networks_with_the_published_rate(world):
    context = copy.copy(world.plan(overrides={"schedule.full.bn_statistics": "batch"}).context)
    schedule, full = Piggyback(context).finetune_schedule(), context.schedule.full
    own = {"learning_rate": 1e-4, "weight_decay": 0.0, "bn_statistics": "kept"}
    assert schedule == full.model_copy(update=own)

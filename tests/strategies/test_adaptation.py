"""What a task may own beside TSN's: statistics alone, depthwise filters, low-rank adapters."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from tsniqa.errors import ConfigError
from tsniqa.model.normalization import RANKS, normalization_layers
from tsniqa.strategies import find_strategy

ORDER = ("alpha", "beta")
NAMES = ("tsn-adapters", "tsn-depthwise", "statistics-only")


@pytest.fixture(scope="module")
def lite(world, card, tmp_path_factory):
    """A card of a small network with depthwise filters, and random weights."""
    folder = tmp_path_factory.mktemp("lite")
    return card(folder, "none", model="test_efficientnet", arguments={})


@pytest.fixture(scope="module")
def learned(world, lite):
    """Two tasks learned by a strategy on that network, in an order; and its state."""
    known = {}

    def run(name, order=ORDER, **overrides):
        key = repr((name, order, overrides))
        if key not in known:
            plan = world.plan(name, order, backbone=str(lite), overrides=overrides)
            for step, task in enumerate(plan.tasks):
                plan.strategy.learn(task, plan.tasks[:step])
            known[key] = plan
        return known[key]

    return run


def moved(plan, task):
    bank = plan.strategy.model.bank
    return {n for n, v in bank.states[task].items() if not torch.equal(v, bank.initial[n])}


def layers_of(plan):
    """Names of normalization layers, depthwise and dense convolutions of the reference."""
    network = plan.context.backbone.network
    convolutions = {k: m for k, m in network.named_modules() if isinstance(m, nn.Conv2d)}
    depthwise = {name for name, layer in convolutions.items() if layer.groups > 1}
    return {*normalization_layers(network)}, depthwise, convolutions.keys() - depthwise


@pytest.mark.parametrize("task", ORDER)
def test_adapters_and_normalization_move_and_nothing_else(learned, task):
    plan = learned("tsn-adapters")
    norms, _, dense = layers_of(plan)
    allowed = {f"{n}.parametrizations.weight.0.{side}" for n in dense for side in ("up", "down")}
    allowed |= {
        f"{name}.{kind}" for name in norms
        for kind in ("weight", "bias", "running_mean", "running_var")
    }  # fmt: skip
    assert plan.strategy.model.bank.states[task].keys() == allowed
    assert {name for name in moved(plan, task) if name.endswith(".up")} == {
        name for name in allowed if name.endswith(".up")
    }
    assert {"weight", "bias", "running_mean", "running_var"} <= {
        name.rpartition(".")[2] for name in moved(plan, task)
    }


@pytest.mark.parametrize("task", ORDER)
def test_depthwise_filters_and_normalization_move_and_nothing_else(learned, task):
    plan = learned("tsn-depthwise")
    norms, depthwise, _ = layers_of(plan)
    assert depthwise
    filters = {f"{name}.weight" for name in depthwise}
    found = moved(plan, task)
    assert filters <= found
    assert {name.rpartition(".")[0] for name in found - filters} <= norms


@pytest.mark.parametrize("task", ORDER)
def test_statistics_alone_move(learned, task):
    found = {name.rpartition(".")[2] for name in moved(learned("statistics-only"), task)}
    assert found == {"running_mean", "running_var"}


def test_where_a_schedule_keeps_statistics_they_are_collected_in_the_first_epoch(learned):
    kept, first = (
        learned("statistics-only", **{"schedule.normalization.bn_statistics": mode}).strategy.model
        for mode in ("kept", "first-epoch")
    )
    assert kept.state().keys() == first.state().keys()
    assert all(torch.equal(value, first.state()[name]) for name, value in kept.state().items())


@pytest.mark.parametrize("name", NAMES)
def test_the_network_is_left_as_the_reference_with_every_frozen_filter(learned, name):
    plan = learned(name)
    strategy, reference = plan.strategy, plan.context.backbone
    assert strategy.filters_fingerprint() == reference.filters_fingerprint()
    assert not any(parameter.requires_grad for parameter in strategy.backbone.parameters())
    images = plan.context.images(plan.tasks[0], "test").images
    inputs = reference.preprocess(torch.stack([images[i] for i in range(3)]))
    with torch.inference_mode():
        assert torch.equal(strategy.backbone(inputs).head, reference(inputs).head)


def test_even_while_a_task_is_in_place_adapted_filters_are_the_frozen_ones(learned):
    plan = learned("tsn-adapters")
    bank, backbone = plan.strategy.model.bank, plan.strategy.backbone
    try:
        bank.load("alpha")
        assert backbone.filters_fingerprint() == plan.context.backbone.filters_fingerprint()
    finally:
        bank.load(None)


@pytest.mark.parametrize("name", NAMES)
def test_no_order_of_tasks_changes_a_bit_and_no_task_another(learned, equal, name):
    first, other, alone = (
        learned(name, order).strategy for order in (ORDER, ORDER[::-1], ("beta",))
    )
    states = [strategy.state() for strategy in (first, other, alone)]
    assert equal(states[0], states[1])
    assert states[2]
    assert equal(states[2], {key: states[0][key] for key in states[2]})


@pytest.mark.parametrize("name", ["tsn-adapters", "tsn-depthwise"])
def test_another_process_scores_images_alike_to_the_bit(learned, name, world, tmp_path):
    plan = learned(name)
    plan.strategy.save(tmp_path / "model")
    photos = world.task("alpha").paths("test")[:2]
    code = (
        "import sys, torch; from tsniqa import TSNIQA; model, *photos = sys.argv[1:]\n"
        "torch.set_num_threads(1)\n"
        "for score in TSNIQA.load(model).predict(photos): print(score.hex())"
    )
    command = [sys.executable, "-c", code, tmp_path / "model", *photos]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    expected = plan.strategy.model.predict(photos)
    assert np.array_equal([float.fromhex(score) for score in said.stdout.split()], expected)


class TestTheRank:
    @pytest.mark.parametrize("rank", [0.0, 2.5, 3.0, 32.0])
    def test_one_that_is_not_offered_is_refused_with_those_that_are(self, world, rank):
        context = world.plan().context
        context.weight = rank
        message = rf"is a rank, one of 1, 2, 4, 8, 16, not {rank:g}; change weights\.tsn-adapters"
        with pytest.raises(ConfigError, match=message) as caught:
            find_strategy("tsn-adapters")(context)
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("rank", RANKS)
    def test_a_task_learns_rank_times_both_sides_of_every_dense_filter(self, world, rank):
        """Out, and in x height x width, of the tiny network's 15 dense filters, by hand."""
        plan = world.plan("tsn-adapters", ("alpha",), overrides={"weights": {"tsn-adapters": rank}})
        sides = [
            (6, 27), (8, 54), (16, 72),  # the stem
            (8, 144), (8, 72), (8, 16),  # stage 1; the last is the shortcut's
            (16, 72), (16, 144), (16, 8),
            (24, 144), (24, 216), (24, 16),
            (32, 216), (32, 288), (32, 24),
        ]  # fmt: skip
        affine = 2 * sum(out for out, _ in sides)  # gamma and beta of what each gives
        trained = sum(parameter.numel() for parameter in plan.strategy.trained())
        assert trained == affine + rank * sum(out + inside for out, inside in sides)

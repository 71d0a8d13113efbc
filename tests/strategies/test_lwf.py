"""LwF: old heads are held to what they said of the new task's images."""

import copy
import itertools
import math

import pytest
import torch

from tsniqa.model.heads import LinearHead
from tsniqa.scoring.features import image_features
from tsniqa.strategies.lwf import WEIGHT, Distillation, LwF
from tsniqa.strategies.multihead import MultiHead
from tsniqa.training import trainer as training
from tsniqa.training.pairs import PairBatch


def learned(world, method, order, weight=None):
    plan = world.plan("multihead", order)
    plan.setting.strategy_weight = weight
    strategy = method(plan.setting)
    for step, task in enumerate(plan.tasks):
        strategy.learn(task, plan.tasks[:step])
    return plan, strategy


def equal_states(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


def some_heads():
    """Two heads, large enough that probabilities are not all near one half."""
    heads = [LinearHead(32, torch.Generator().manual_seed(seed)) for seed in (1, 2)]
    for head in heads:
        head.weight.data *= 10
    return heads


@pytest.fixture
def backbone(world):
    return world.backbone()


@pytest.fixture
def shown(world, backbone):
    """Five images and some of their pairs."""
    images = world.plan("multihead").setting.images(world.task("beta"), "train").images
    inputs = backbone.preprocess(torch.stack([images[i] for i in range(5)]))
    first, second = torch.tensor([0, 0, 1, 3]), torch.tensor([1, 4, 2, 2])
    return PairBatch(0, torch.arange(5), first, second, torch.tensor([1.0, 0, 1, 1])), inputs


def value_and_gradients(distillation, backbone, heads, shown):
    batch, inputs = shown
    backbone.requires_grad_(True)
    features = backbone.features(inputs).head
    value = distillation(batch, inputs, features, features.sum())
    moving = [*backbone.network.parameters(), *(head.weight for head in heads)]
    gradients = torch.autograd.grad(value, moving)
    backbone.requires_grad_(False)
    return float(value.detach()), gradients


def probability(backbone, head, inputs, i, j):
    with torch.no_grad():
        features = [backbone.features(inputs[k][None]).head[0] for k in (i, j)]
        first, second = (float((one * head.weight).sum()) for one in features)
    return 0.5 * (1 + math.erf((first - second) / math.sqrt(2) / math.sqrt(2)))


def fidelity(present, before):
    agree = math.sqrt(present * before + 1e-8)
    return 1 - agree - math.sqrt((1 - present) * (1 - before) + 1e-8)


def slow_loss(present, before, shown):
    """Go through heads and pairs one by one; present and before are (backbone, heads)."""
    batch, inputs = shown
    total = 0.0
    for now, then in zip(present[1], before[1], strict=True):
        pairs = list(zip(batch.first.tolist(), batch.second.tolist(), strict=True))
        for i, j in pairs:
            said = probability(before[0], then, inputs, i, j)
            total += fidelity(probability(present[0], now, inputs, i, j), said) / len(pairs)
    return total


def change(backbone, heads):
    generator = torch.Generator().manual_seed(9)
    with torch.no_grad():
        for value in backbone.network.parameters():
            value += 0.1 * torch.randn(value.shape, generator=generator)
        heads[1].weight += 5 * torch.randn(32, generator=generator)


def test_where_nothing_has_changed_the_loss_is_at_its_minimum(backbone, shown):
    heads = some_heads()
    before = (copy.deepcopy(backbone), copy.deepcopy(heads))
    distillation = Distillation(backbone, heads, 10.0)
    value, still = value_and_gradients(distillation, backbone, heads, shown)
    assert value == pytest.approx(10 * slow_loss(before, before, shown), abs=1e-5)
    change(backbone, heads)
    more, moving = value_and_gradients(distillation, backbone, heads, shown)
    assert more > value + 1e-3
    largest = max(float(gradient.abs().max()) for gradient in moving)
    assert largest > 1e-2
    assert max(float(gradient.abs().max()) for gradient in still) < 1e-5 * largest


def test_elsewhere_it_equals_a_slow_computation_over_heads_and_pairs(backbone, shown):
    heads = some_heads()
    before = (copy.deepcopy(backbone), copy.deepcopy(heads))
    distillation = Distillation(backbone, heads, 3.0)
    change(backbone, heads)
    value, _ = value_and_gradients(distillation, backbone, heads, shown)
    expected = 3 * slow_loss((backbone, heads), before, shown)
    assert expected > 1e-3
    assert value == pytest.approx(expected, rel=1e-3)


def test_the_copy_does_not_learn(backbone, shown):
    heads = some_heads()
    distillation = Distillation(backbone, heads, 1.0)
    change(backbone, heads)
    value_and_gradients(distillation, backbone, heads, shown)
    fresh = some_heads()
    for mine, old in zip(distillation.copies, fresh, strict=True):
        assert torch.equal(mine.weight, old.weight)
    assert not any(p.requires_grad for p in distillation.backbone.parameters())
    kept = distillation.backbone.network.state_dict()
    live = backbone.network.state_dict()
    assert not torch.equal(kept["layer1.0.conv1.weight"], live["layer1.0.conv1.weight"])


def test_the_first_task_is_learned_as_without_it(world):
    _, plain = learned(world, MultiHead, ("alpha",))
    _, strategy = learned(world, LwF, ("alpha",))
    assert equal_states(strategy.state(), plain.state())


def test_old_heads_learn_along_at_the_networks_rate(world):
    """Adam moves nothing by more than its rate a step, up to a small factor."""
    plan, strategy = learned(world, LwF, ("alpha",))
    kept = strategy.heads_["alpha"].weight.detach().clone()
    history = strategy.learn(world.task("beta"), plan.tasks).history
    assert history[-1].step == "images"
    step = strategy.step_two()
    moved = (strategy.heads_["alpha"].weight.detach() - kept).abs().max()
    steps = step.epochs * 3  # 16 images in batches of 6
    assert 0 < moved < 2 * steps * step.learning_rate < step.head_learning_rate


def test_after_a_task_the_network_holds_no_heads(world):
    plan, strategy = learned(world, LwF, ("alpha", "beta"))
    network = strategy.backbone.network
    assert network.state_dict().keys() == plan.setting.backbone.network.state_dict().keys()
    assert not any(p.requires_grad for p in network.parameters())
    assert all(head.weight.requires_grad for head in strategy.heads_.values())


def test_without_weight_network_and_new_head_are_those_of_multi_head(world):
    _, plain = learned(world, MultiHead, ("alpha", "beta"))
    _, strategy = learned(world, LwF, ("alpha", "beta"), weight=0.0)
    state, expected = strategy.state(), plain.state()
    same = [k for k in expected if k.startswith("network/") or k == "head/beta"]
    assert all(torch.equal(state[k], expected[k]) for k in same)


def test_it_keeps_what_the_old_head_said_of_the_new_images(world, monkeypatch):
    """With the last state taken for the best, so that both go the whole way."""
    count = itertools.count()
    monkeypatch.setattr(training, "mean_srcc", lambda results: float(next(count)))
    drift = {}
    for weight in (0.0, 100.0):
        plan = world.plan("multihead", ("alpha",), overrides={"schedule.full.epochs": 6})
        plan.setting.strategy_weight = weight
        strategy = LwF(plan.setting)
        strategy.learn(plan.tasks[0], [])
        images = plan.setting.images(world.task("beta"), "train").images
        said = []
        for learn in (False, True):
            if learn:
                strategy.learn(world.task("beta"), plan.tasks)
            features = image_features(strategy.backbone, images).head
            quality = strategy.heads_["alpha"](features).detach()
            said.append(quality[:, None] - quality)
        drift[weight] = float((said[1] - said[0]).abs().mean())
    assert drift[100.0] < drift[0.0] / 2, drift


def test_a_fresh_strategy_goes_on_from_a_stored_state_bit_for_bit(world):
    _, whole = learned(world, LwF, ("gamma", "alpha"))
    plan, part = learned(world, LwF, ("gamma",))
    fresh = LwF(plan.setting)
    fresh.load_state({key: value.clone() for key, value in part.state().items()})
    fresh.learn(world.task("alpha"), plan.tasks)
    assert equal_states(fresh.state(), whole.state())


def test_the_weight_is_the_published_one_or_the_settings(world):
    plan, strategy = learned(world, LwF, ("alpha",))
    head = strategy.heads_["alpha"]
    assert strategy.extra_loss(world.task("beta"), plan.tasks, head).weight == WEIGHT == 10
    plan.setting.strategy_weight = 0.5
    assert strategy.extra_loss(world.task("beta"), plan.tasks, head).weight == 0.5
    assert LwF(plan.setting).extra_loss(plan.tasks[0], [], head) is None

"""iCaRL, first variant: old heads are held to what they said of remembered images."""

import copy
import itertools
import math

import pytest
import torch

from tsniqa.model.heads import LinearHead
from tsniqa.strategies.icarl_v1 import WEIGHT, ICaRLv1, ReplayDistillation
from tsniqa.strategies.memory import memories
from tsniqa.strategies.multihead import MultiHead
from tsniqa.strategies.replay import Replay
from tsniqa.training import trainer as training
from tsniqa.training.pairs import PairBatch


def learned(world, order, method=ICaRLv1, weight=None, **fields):
    plan = world.plan("multihead", order, **fields)
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
def to_the_end(monkeypatch):
    """Keep the last epoch whatever its validation, so that there is something to compare."""
    rising = itertools.count()
    monkeypatch.setattr(training, "mean_srcc", lambda results: float(next(rising)))


def change(backbone, heads):
    generator = torch.Generator().manual_seed(9)
    with torch.no_grad():
        for value in backbone.network.parameters():
            value += 0.1 * torch.randn(value.shape, generator=generator)
        heads[1].weight += 5 * torch.randn(32, generator=generator)


@pytest.fixture
def backbone(world):
    return world.backbone()


@pytest.fixture
def replay(world):
    """A function that opens the memory of alpha and beta, the same every time."""
    plan = world.plan("multihead")
    own = list(memories(plan.setting, plan.tasks[2], plan.tasks[:2]).values())
    return lambda: Replay(own, plan.setting.schedule.full, 5)


NO_BATCH = PairBatch(0, *[torch.tensor([], dtype=torch.long)] * 3, torch.tensor([]))


def value_and_gradients(distillation, backbone, heads):
    backbone.requires_grad_(True)
    value = distillation(NO_BATCH, torch.empty(0), torch.empty(0), torch.tensor(0.0))
    moving = [*backbone.network.parameters(), *(head.weight for head in heads)]
    gradients = torch.autograd.grad(value, moving)
    backbone.requires_grad_(False)
    return float(value.detach()), gradients


def probability(backbone, head, crops, i, j):
    with torch.no_grad():
        inputs = [backbone.preprocess(crops[k][None]) for k in (i, j)]
        first, second = (
            float((backbone.features(one).head[0] * head.weight).sum()) for one in inputs
        )
    return 0.5 * (1 + math.erf((first - second) / math.sqrt(2) / math.sqrt(2)))


def slow_loss(present, before, replay):
    """Go through memories and pairs one by one; present and before are (backbone, heads)."""
    total = 0.0
    for now, then, (batch, crops) in zip(present[1], before[1], replay, strict=True):
        pairs = list(zip(batch.first.tolist(), batch.second.tolist(), strict=True))
        for i, j in pairs:
            said = probability(before[0], then, crops, i, j)
            says = probability(present[0], now, crops, i, j)
            agree = math.sqrt(says * said + 1e-8)
            loss = 1 - agree - math.sqrt((1 - says) * (1 - said) + 1e-8)
            total += loss / len(pairs)
    return total


def test_where_nothing_has_changed_the_loss_is_at_its_minimum(backbone, replay):
    heads = some_heads()
    distillation = ReplayDistillation(backbone, heads, replay(), 10.0)
    value, still = value_and_gradients(distillation, backbone, heads)
    assert abs(value) < 1e-2
    distillation.replay = replay()
    change(backbone, heads)
    more, moving = value_and_gradients(distillation, backbone, heads)
    assert more > value + 1e-3
    largest = max(float(gradient.abs().max()) for gradient in moving)
    assert largest > 1e-2
    assert max(float(gradient.abs().max()) for gradient in still) < 1e-5 * largest


def test_elsewhere_it_equals_a_slow_computation_over_memories_and_pairs(backbone, replay):
    heads = some_heads()
    before = (copy.deepcopy(backbone), copy.deepcopy(heads))
    distillation = ReplayDistillation(backbone, heads, replay(), 3.0)
    change(backbone, heads)
    value, _ = value_and_gradients(distillation, backbone, heads)
    expected = 3 * slow_loss((backbone, heads), before, replay())
    assert expected > 1e-3
    assert value == pytest.approx(expected, rel=1e-3)


def test_a_batch_of_ties_alone_adds_nothing(backbone, replay):
    tied = replay()
    tied.streams = [iter([NO_BATCH._replace(indices=torch.arange(2))]) for _ in tied.streams]
    distillation = ReplayDistillation(backbone, some_heads(), tied, 10.0)
    assert distillation(NO_BATCH, torch.empty(0), torch.empty(0), torch.tensor(0.3)) == 0


def test_the_first_task_is_learned_as_without_it(world):
    _, plain = learned(world, ("alpha",), MultiHead)
    _, strategy = learned(world, ("alpha",))
    assert equal_states(strategy.state(), plain.state())


def test_without_weight_network_and_new_head_are_those_of_multi_head(world, to_the_end):
    _, plain = learned(world, ("alpha", "beta"), MultiHead)
    _, strategy = learned(world, ("alpha", "beta"), weight=0.0)
    state, expected = strategy.state(), plain.state()
    same = [k for k in expected if k.startswith("network/") or k == "head/beta"]
    assert all(torch.equal(state[k], expected[k]) for k in same)


def test_old_heads_learn_along(world, to_the_end):
    plan, strategy = learned(world, ("alpha",))
    kept = strategy.heads_["alpha"].weight.detach().clone()
    strategy.learn(world.task("beta"), plan.tasks)
    assert not torch.equal(strategy.heads_["alpha"].weight, kept)
    assert strategy.heads_["alpha"].weight.device.type == "cpu"


def test_it_keeps_what_the_old_head_said_of_remembered_images(world, to_the_end):
    drift = {}
    for weight in (0.0, 100.0):
        plan, strategy = learned(world, ("alpha",), weight=weight)
        images = plan.setting.images(plan.tasks[0], "train").images
        before = strategy.heads(images)[:, 0]
        strategy.learn(world.task("beta"), plan.tasks)
        after = strategy.heads(images, ["alpha"])[:, 0]
        gaps = [said[:, None] - said for said in (before, after)]
        drift[weight] = float(abs(gaps[1] - gaps[0]).mean())
    assert 0 < drift[100.0] < drift[0.0] / 2


def test_labels_of_remembered_images_do_not_matter(world, to_the_end):
    states = []
    for upside_down in (False, True):
        plan, strategy = learned(world, ("alpha",))
        if upside_down:
            key = (plan.tasks[0].fingerprint(), "train")
            shown = plan.setting.images(plan.tasks[0], "train")
            plan.setting._images[key] = shown._replace(mos=-shown.mos)
        strategy.learn(world.task("beta"), plan.tasks)
        states.append(strategy.state())
    assert equal_states(*states)


def test_each_old_head_is_shown_the_memory_of_its_own_task(world, tight):
    plan, strategy = learned(world, ("beta", "alpha"))
    extra = strategy.distillation(world.task("gamma"), plan.tasks)
    assert extra.heads == [strategy.heads_["alpha"], strategy.heads_["beta"]]
    for name, own in zip(("alpha", "beta"), extra.replay.memory, strict=True):
        assert set(own.images.paths) < set(world.task(name).paths("train"))
        assert len(own.images) == 10


@pytest.mark.parametrize("pairs", [None, 12])
def test_a_fresh_strategy_goes_on_from_a_stored_state_bit_for_bit(world, to_the_end, tight, pairs):
    fields = {"schedule.full.statistics": "batch", "schedule.full.pairs": pairs}
    _, whole = learned(world, ("gamma", "beta", "alpha"), overrides=fields)
    plan, part = learned(world, ("gamma", "beta"), overrides=fields)
    state = {key: value.clone() for key, value in part.state().items()}
    fresh = ICaRLv1(plan.setting)
    fresh.load_state(state)
    assert equal_states(fresh.state(), state)
    fresh.learn(world.task("alpha"), plan.tasks)
    assert equal_states(fresh.state(), whole.state())


def test_the_weight_is_the_published_one_or_the_settings(world):
    plan, strategy = learned(world, ("alpha",))
    assert strategy.distillation(world.task("beta"), plan.tasks).weight == WEIGHT == 10
    plan.setting.strategy_weight = 0.5
    assert strategy.distillation(world.task("beta"), plan.tasks).weight == 0.5
    assert ICaRLv1(plan.setting).extra_loss(plan.tasks[0], [], strategy.heads_["alpha"]) is None

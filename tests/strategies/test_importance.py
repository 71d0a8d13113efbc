"""What EWC, SI and MAS share: a quadratic penalty, its importance, and gradients of pairs."""

import copy

import pytest
import torch

from tsniqa.strategies.ewc import EWC
from tsniqa.strategies.importance import QuadraticPenalty, flat, mean_of
from tsniqa.strategies.mas import MAS
from tsniqa.strategies.multihead import MultiHead
from tsniqa.strategies.si import SI

ALL = pytest.mark.parametrize("method", [EWC, SI, MAS], ids=lambda method: method.name)
BOTH = pytest.mark.parametrize("importance", ["derived", "released"])


def learned(world, method, order, **fields):
    plan = world.plan("multihead", order)
    for name, value in fields.items():
        setattr(plan.setting, name, value)
    strategy = method(plan.setting)
    for step, task in enumerate(plan.tasks):
        strategy.learn(task, plan.tasks[:step])
    return plan, strategy


def equal_states(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


def toy(seed=0):
    generator = torch.Generator().manual_seed(seed)
    shapes = {"filter": (3, 2, 2, 2), "gamma": (4,)}
    return {k: torch.randn(s, generator=generator).requires_grad_() for k, s in shapes.items()}


def move(parameters, by):
    with torch.no_grad():
        for name, value in parameters.items():
            value += by[name]


class TestThePenalty:
    def penalty(self, parameters, weight=7.0):
        importance = {name: value.detach().abs() for name, value in toy(1).items()}
        return importance, QuadraticPenalty(parameters.values(), flat(importance.values()), weight)

    def test_it_is_zero_with_a_gradient_of_zero_at_the_old_parameters(self):
        parameters = toy()
        _, penalty = self.penalty(parameters)
        value = penalty(None, None, None, None)
        assert value.item() == 0
        gradients = torch.autograd.grad(value, list(parameters.values()))
        assert all(not gradient.any() for gradient in gradients)

    def test_elsewhere_it_is_the_weighted_sum_over_named_parameters(self):
        parameters = toy()
        importance, penalty = self.penalty(parameters)
        shift = {name: value.detach() for name, value in toy(2).items()}
        move(parameters, shift)
        value = penalty(None, None, None, None)
        expected = 0.0
        for name, by in shift.items():
            for omega, one in zip(importance[name].flatten(), by.flatten(), strict=True):
                expected += 7.0 * float(omega) * float(one) ** 2
        assert value.item() == pytest.approx(expected, rel=1e-5)
        gradients = torch.autograd.grad(value, list(parameters.values()))
        for name, gradient in zip(parameters, gradients, strict=True):
            expected = 2 * 7.0 * importance[name] * shift[name]
            torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-5)

    def test_channels_last_memory_changes_nothing(self):
        filters = toy()["filter"].detach()
        assert torch.equal(flat([filters.to(memory_format=torch.channels_last)]), flat([filters]))


def test_the_mean_of_no_vectors_is_zero():
    like = torch.ones(3)
    assert torch.equal(mean_of(iter([]), like), torch.zeros(3))
    assert torch.equal(mean_of(iter([like, 3 * like]), like), 2 * like)


@ALL
def test_the_first_task_is_learned_as_without_a_penalty(method, world):
    _, plain = learned(world, MultiHead, ("alpha",))
    _, strategy = learned(world, method, ("alpha",))
    state = strategy.state()
    assert state.pop("importance").any()
    assert equal_states(state, plain.state())


@ALL
def test_without_weight_it_is_multi_head_fine_tuning(method, world):
    _, plain = learned(world, MultiHead, ("alpha", "beta"))
    _, strategy = learned(world, method, ("alpha", "beta"), strategy_weight=0.0)
    state = strategy.state()
    state.pop("importance")
    assert equal_states(state, plain.state())


@ALL
@BOTH
def test_a_heavy_penalty_holds_what_is_important(method, importance, world):
    order, moved = ("alpha", "beta"), {}
    _, strategy = learned(world, method, order[:1], importance=importance)
    omega = strategy.importance.clamp_min(0)
    start = flat(strategy.backbone.network.parameters())
    heavy = 1e3 / float(omega.max())
    for weight in (0.0, heavy):
        _, strategy = learned(world, method, order, importance=importance, strategy_weight=weight)
        end = flat(strategy.backbone.network.parameters())
        moved[weight] = float((omega * (end - start) ** 2).sum())
    assert moved[heavy] < moved[0.0] / 2


@ALL
@BOTH
def test_importance_is_summed_over_tasks_and_covers_normalization(method, importance, world):
    _, strategy = learned(world, method, ("alpha",), importance=importance)
    first = strategy.importance.clone()
    added = []
    original = method.importance_of

    class Spy(method):
        def importance_of(self, task, head):
            added.append(original(self, task, head))
            return added[-1]

    _, strategy = learned(world, Spy, ("alpha", "beta"), importance=importance)
    lowest = 0 if method is SI and importance == "derived" else -torch.inf
    assert torch.equal(added[0].clamp_min(lowest), first)
    assert torch.equal((first + added[1]).clamp_min(lowest), strategy.importance)
    if method is not SI:
        assert (strategy.importance >= first).all()
        assert (strategy.importance > first).any()
    names = [name for name, _ in strategy.backbone.network.named_parameters()]
    sizes = [value.numel() for value in strategy.backbone.network.parameters()]
    parts = dict(zip(names, strategy.importance.split(sizes), strict=True))
    assert parts["layer1.0.bn1.weight"].any()
    assert parts["layer1.0.bn1.bias"].any()


@ALL
@BOTH
def test_a_fresh_strategy_goes_on_from_a_stored_state_bit_for_bit(method, importance, world):
    order = ("gamma", "alpha")
    _, whole = learned(world, method, order, importance=importance)
    plan, part = learned(world, method, order[:1], importance=importance)
    state = part.state()
    assert all(v.device.type == "cpu" and v.is_contiguous() for v in state.values())
    assert state["importance"].data_ptr() != part.importance.data_ptr()
    fresh = method(plan.setting)
    fresh.load_state(state)
    assert fresh.importance.data_ptr() != state["importance"].data_ptr()
    kept = copy.deepcopy(state)
    tasks = world.plan("multihead", order).tasks
    fresh.learn(tasks[1], tasks[:1])
    assert equal_states(fresh.state(), whole.state())
    assert torch.equal(state["importance"], kept["importance"])


@ALL
def test_the_network_is_frozen_between_tasks_and_holds_nothing_more(method, world):
    plan, strategy = learned(world, method, ("alpha",))
    network = strategy.backbone.network
    assert not any(p.requires_grad for p in network.parameters())
    assert not any(module.training for module in network.modules())
    assert network.state_dict().keys() == plan.setting.backbone.network.state_dict().keys()


@ALL
def test_the_weight_is_the_published_one_or_the_settings(method, world):
    setting = world.plan("multihead").setting
    assert method(setting).weight == {"ewc": 10_000, "si": 1_000, "mas": 10}[method.name]
    setting.strategy_weight = 0.25
    assert method(setting).weight == 0.25

"""L2 to last, the worked example of the book: the penalty, and what it does to what is learned."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from tsniqa.strategies.from_file import load_strategy
from tsniqa.strategies.multihead import MultiHead

L2ToLast = load_strategy(Path(__file__).parents[2] / "book" / "examples" / "l2_to_last.py")


def learned(world, method, order, weight=None):
    plan = world.plan("multihead", order)
    plan.setting.strategy_weight = weight
    strategy = method(plan.setting)
    for step, task in enumerate(plan.tasks):
        strategy.learn(task, plan.tasks[:step])
    return plan, strategy


def equal_states(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


def moved(strategy, start):
    """Return how far the network is from where it started, by parameters alone."""
    now = torch.cat([p.flatten() for p in strategy.backbone.network.parameters()])
    then = torch.cat([p.flatten() for p in start.backbone.network.parameters()])
    return float((now - then).norm())


def test_the_penalty_is_the_weighted_squared_distance_to_where_it_began(world):
    plan, strategy = learned(world, L2ToLast, ("alpha",), weight=2.0)
    network = torch.nn.Linear(2, 1)
    network.load_state_dict({"weight": torch.tensor([[1.0, 2.0]]), "bias": torch.tensor([3.0])})
    strategy.backbone = SimpleNamespace(network=network)
    pull = strategy.extra_loss(world.task("beta"), plan.tasks, strategy.heads_["alpha"])
    assert pull(None, None, None, None).item() == 0
    with torch.no_grad():
        network.weight[0, 0] = 1.5
        network.bias[0] = 1.0
    value = pull(None, None, None, None)
    assert value.item() == 2 * (0.5**2 + 2**2)
    value.backward()
    assert network.weight.grad.tolist() == [[2 * 2 * 0.5, 0.0]]
    assert network.bias.grad.tolist() == [2 * 2 * -2.0]


def test_without_weight_it_is_multi_head_fine_tuning_bit_for_bit(world):
    _, plain = learned(world, MultiHead, ("alpha", "beta"))
    _, strategy = learned(world, L2ToLast, ("alpha", "beta"), weight=0.0)
    assert equal_states(strategy.state(), plain.state())


def test_the_first_task_is_learned_as_without_a_pull(world):
    _, plain = learned(world, MultiHead, ("alpha",))
    _, strategy = learned(world, L2ToLast, ("alpha",), weight=1e3)
    assert equal_states(strategy.state(), plain.state())


def test_the_heavier_the_pull_the_less_the_network_moves(world):
    _, start = learned(world, L2ToLast, ("beta",))
    ends = [learned(world, L2ToLast, ("beta", "alpha"), weight)[1] for weight in (0.0, 1.0, 10.0)]
    free, light, heavy = (moved(end, start) for end in ends)
    assert 0 < heavy < light < free / 2


def test_the_weight_is_the_settings_or_the_default(world):
    plan, strategy = learned(world, L2ToLast, ("alpha",))
    asked = world.task("beta"), plan.tasks, strategy.heads_["alpha"]
    assert strategy.extra_loss(*asked).weight == L2ToLast.default_weight == pytest.approx(1.0)
    plan.setting.strategy_weight = 0.25
    assert strategy.extra_loss(*asked).weight == 0.25

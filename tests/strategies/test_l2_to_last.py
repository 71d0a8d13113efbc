"""L2 to last, the worked example of the book: the penalty, and what it does to what is learned."""

from pathlib import Path
from types import SimpleNamespace

import torch

from tsniqa.strategies.from_file import load_strategy

L2ToLast = load_strategy(Path(__file__).parents[2] / "book" / "examples" / "l2_to_last.py")


def test_the_penalty_is_the_weighted_squared_distance_to_where_it_began(learn):
    strategy = learn(L2ToLast, ("alpha",), weight=2.0).strategy
    network = torch.nn.Linear(2, 1)
    network.load_state_dict({"weight": torch.tensor([[1.0, 2.0]]), "bias": torch.tensor([3.0])})
    strategy.model.bank = SimpleNamespace(parameters=lambda: list(network.parameters()))
    strategy.before_task(None, [])
    assert strategy.extra_loss(None, None).item() == 0
    with torch.no_grad():
        network.weight[0, 0] = 1.5
        network.bias[0] = 1.0
    value = strategy.extra_loss(None, None)
    assert value.item() == 2 * (0.5**2 + 2**2)
    value.backward()
    assert network.weight.grad.tolist() == [[2 * 2 * 0.5, 0.0]]
    assert network.bias.grad.tolist() == [2 * 2 * -2.0]


def test_the_heavier_the_pull_the_less_the_network_moves(learn, world):
    def parameters(lessons):
        return torch.cat([p.flatten() for p in lessons.strategy.backbone.network.parameters()])

    first, moved = learn(L2ToLast, ("beta",)), []
    for weight in (0.0, 1.0, 10.0):
        lessons = learn(L2ToLast, (), weight=weight)
        lessons.strategy.load_state(first.state)
        lessons.go_on(world.task("alpha"))
        moved.append(float((parameters(lessons) - parameters(first)).norm()))
    free, light, heavy = moved
    assert 0 < heavy < light < free / 2

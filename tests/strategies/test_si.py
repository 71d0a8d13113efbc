"""SI: the path integral up to the state that learning restores, and no further."""

import copy

import pytest
import torch
from torch import nn

from tsniqa.strategies.importance import flat
from tsniqa.strategies.si import DAMPING, SI, PathIntegral, of_the_task, of_the_whole_loss
from tsniqa.training import trainer as training

KINDS = {"derived": of_the_task, "released": of_the_whole_loss}
BOTH = pytest.mark.parametrize("importance", KINDS)


@BOTH
def test_the_integral_follows_gradient_times_step_of_single_parameters(importance):
    """Gradient descent on a quadratic task, written out parameter by parameter."""
    generator = torch.Generator().manual_seed(0)
    network = nn.Linear(2, 2)
    start = [0.5, -1.0, 2.0, 0.25, 1.5, -0.75]
    with torch.no_grad():
        network.weight.copy_(torch.tensor(start[:4]).reshape(2, 2))
        network.bias.copy_(torch.tensor(start[4:]))
    omega, target = (torch.rand(6, generator=generator) for _ in range(2))
    path = PathIntegral(network, omega, 3.0, KINDS[importance])
    theta, expected = list(start), [0.0] * 6
    for _ in range(5):
        network.zero_grad()
        task_loss = ((flat(network.parameters()) - target) ** 2).sum()
        (task_loss + path(None, None, None, task_loss)).backward()
        with torch.no_grad():
            for parameter in network.parameters():
                parameter -= 0.05 * parameter.grad
        path.after_step()
        for k in range(6):
            own = 2 * (theta[k] - float(target[k]))
            penalty = 2 * 3.0 * float(omega[k]) * (theta[k] - start[k])
            step = -0.05 * (own + penalty)
            expected[k] -= (own if importance == "derived" else own + penalty) * step
            theta[k] += step
    moved = [end - begin for end, begin in zip(theta, start, strict=True)]
    grown = [e / (d**2 + DAMPING) for e, d in zip(expected, moved, strict=True)]
    assert path.close().tolist() == pytest.approx(grown, rel=1e-4)
    assert not dict(network.named_buffers())


@BOTH
@pytest.mark.parametrize("best", [0, 1, 3], ids=["before", "middle", "last"])
def test_it_ends_at_the_restored_state(importance, best, world, monkeypatch):
    """The best epoch is set by hand; every step of step two is recorded and summed up slowly."""
    plan = world.plan("multihead", ("alpha", "beta"), overrides={"schedule.full.epochs": 3})
    plan.setting.importance = importance
    strategy = SI(plan.setting)
    strategy.learn(plan.tasks[0], [])
    before, known = flat(strategy.backbone.network.parameters()), strategy.importance.clone()

    quality = iter([0.0] * 5 + [0.9 if epoch == best else 0.1 for epoch in range(4)])
    monkeypatch.setattr(training, "mean_srcc", lambda results: next(quality))
    steps, call, after_step = [], PathIntegral.__call__, PathIntegral.after_step

    def recorded_call(self, batch, inputs, features, task_loss):
        parameters = list(self.network.parameters())
        penalty = call(self, batch, inputs, features, task_loss)
        loss = task_loss if importance == "derived" else task_loss + penalty
        gradient = flat(torch.autograd.grad(loss, parameters, retain_graph=True))
        steps.append([gradient, flat(parameters).detach()])
        return penalty

    def recorded_after_step(self):
        steps[-1].append(flat(self.network.parameters()).detach())
        after_step(self)

    monkeypatch.setattr(PathIntegral, "__call__", recorded_call)
    monkeypatch.setattr(PathIntegral, "after_step", recorded_after_step)
    strategy.learn(plan.tasks[1], plan.tasks[:1])

    restored = flat(strategy.backbone.network.parameters())
    per_epoch = len(steps) // 3
    assert per_epoch == 3
    ended = [before, *(end for _, _, end in steps)][per_epoch * best]
    assert torch.equal(restored, ended)
    integral = torch.zeros_like(before)
    for gradient, start, end in steps[: per_epoch * best]:
        integral -= gradient * (end - start)
    expected = known + integral / ((restored - before) ** 2 + DAMPING)
    if importance == "derived":
        expected = expected.clamp_min(0)
    torch.testing.assert_close(strategy.importance, expected, rtol=1e-3, atol=1e-7)
    assert torch.equal(strategy.importance, known) == (best == 0)


def test_the_derived_importance_is_never_negative(world):
    for importance, negative in (("derived", False), ("released", True)):
        plan = world.plan("multihead", ("alpha",))
        plan.setting.importance = importance
        strategy = SI(plan.setting)
        strategy.learn(plan.tasks[0], [])
        assert bool((strategy.importance < 0).any()) == negative


def test_without_epochs_nothing_is_important(world):
    plan = world.plan("multihead", ("alpha",), overrides={"schedule.full.epochs": 0})
    strategy = SI(plan.setting)
    strategy.learn(plan.tasks[0], [])
    assert not strategy.importance.any()


def test_the_integral_is_saved_and_restored_with_the_networks_state():
    network = nn.Linear(2, 1)
    path = PathIntegral(network, torch.zeros(3), 1.0, of_the_task)
    network.get_buffer("path_integral").fill_(2.0)
    saved = copy.deepcopy(network.state_dict())
    network.get_buffer("path_integral").fill_(5.0)
    network.load_state_dict(saved)
    assert path.close().tolist() == pytest.approx([2.0 / DAMPING] * 3)

"""EWC, SI and MAS: a quadratic penalty, and three importances, against slow computations."""

import math
from collections import OrderedDict

import pytest
import torch
from torch import nn

from tsniqa.model.heads import LinearHead
from tsniqa.strategies import importance as shared
from tsniqa.strategies.ewc import EWC, log_likelihood
from tsniqa.strategies.importance import flat
from tsniqa.strategies.mas import MAS
from tsniqa.strategies.si import DAMPING, SI
from tsniqa.training.pairs import epochs_of_pairs
from tsniqa.training.schedules import Released

BOTH = pytest.mark.parametrize("importance", ["derived", "released"])
PAIRS = pytest.mark.parametrize("pairs", [None, 10], ids=["in batch", "drawn"])


class TestThePenalty:
    @pytest.fixture
    def held(self, learn):
        """A strategy whose network is a toy that has learned a task, and its importance."""
        strategy = learn(EWC, ("alpha",), weight=7.0).strategy
        network = nn.Linear(2, 2)
        strategy.model.backbone = nn.Sequential(OrderedDict(network=network))
        strategy.carried["importance"] = torch.tensor([0.5, 0.0, 2.0, 1.0, 3.0, 0.25])
        strategy.before_task(None, [])
        return strategy, network

    def test_it_is_zero_with_a_gradient_of_zero_at_the_old_parameters(self, held):
        strategy, network = held
        value = strategy.extra_loss(None, None)
        assert value.item() == 0
        gradients = torch.autograd.grad(value, list(network.parameters()))
        assert all(not gradient.any() for gradient in gradients)

    def test_elsewhere_it_is_the_weighted_sum_over_parameters(self, held):
        strategy, network = held
        with torch.no_grad():
            network.weight[0] += torch.tensor([2.0, 1.0])
            network.bias[0] -= 0.5
        value = strategy.extra_loss(None, None)
        assert value.item() == pytest.approx(7 * (0.5 * 4 + 0 * 1 + 3 * 0.25), rel=1e-5)
        gradients = torch.autograd.grad(value, list(network.parameters()))
        expected = [2 * 7 * 0.5 * 2, 0, 0, 0, 2 * 7 * 3 * -0.5, 0]
        assert flat(gradients).tolist() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("method", [EWC, SI], ids=lambda method: method.name)
def test_a_heavy_penalty_holds_what_is_important(method, learn, world):
    lessons, moved = learn(method, ("alpha",)), {}
    first = lessons.strategy
    omega, start = first.importance.clamp_min(0), first.theta
    heavy = 1e3 / float(omega.max())
    for weight in (0.0, heavy):
        again = learn(method, (), weight=weight)
        again.strategy.load_state(lessons.state)
        again.go_on(world.task("beta"))
        moved[weight] = float((omega * (again.strategy.theta - start) ** 2).sum())
    assert moved[heavy] < moved[0.0] / 2


@pytest.mark.parametrize(
    ("method", "importance"),
    [(EWC, "derived"), (SI, "derived"), (SI, "released"), (MAS, "derived")],
)
def test_importance_is_summed_over_tasks_and_covers_normalization(method, importance, learn):
    added = []

    class Spy(method):
        def importance_of(self, task, head):
            added.append(super().importance_of(task, head))
            return added[-1]

    strategy = learn(Spy, importance=importance).strategy
    lowest = 0 if method is SI and importance == "derived" else -torch.inf
    first = added[0].clamp_min(lowest)
    assert torch.equal((first + added[1]).clamp_min(lowest), strategy.importance)
    if method is not SI:
        assert min(float(one.min()) for one in added) >= 0
        assert all(one.any() for one in added)
    parameters = dict(strategy.backbone.network.named_parameters())
    sizes = [value.numel() for value in parameters.values()]
    parts = dict(zip(parameters, strategy.importance.split(sizes), strict=True))
    assert parts["layer1.0.bn1.weight"].any()
    assert parts["layer1.0.bn1.bias"].any()


@pytest.fixture
def single(learn, monkeypatch):
    """A strategy that has learned nothing, its task, and single images' quality under a head.

    There are no random crops, so that a slow computation sees the same; no gamma is zero.
    """
    monkeypatch.setattr(
        shared,
        "random_crops",
        lambda images, indices, size, _: torch.stack([images[i][:, :size, :size] for i in indices]),
    )
    head = LinearHead(32, torch.Generator().manual_seed(3))

    def make(method, importance, task, pairs=None):
        overrides = {"schedule.full.batch": 4, "schedule.full.pairs": pairs}
        strategy = learn(method, (), overrides=overrides, importance=importance).strategy
        generator = torch.Generator().manual_seed(5)
        for value in strategy.backbone.network.parameters():
            value.data += 0.1 * torch.randn(value.shape, generator=generator)
        backbone, crop = strategy.backbone, strategy.finetune_schedule().crop
        images = strategy.context.images(task, "train").images

        def quality(index):
            inputs = backbone.preprocess(images[index][None, :, :crop, :crop])
            return (backbone(inputs).head[0] * head.weight.detach()).sum()

        return strategy, head, quality

    return make


def slow_mean(strategy, outputs, power):
    """Average |d output / d theta|^power, one backward pass an output: a list by parameter."""
    backbone = strategy.backbone.requires_grad_(True)
    total = [torch.zeros_like(value) for value in backbone.network.parameters()]
    for output in outputs:
        gradients = torch.autograd.grad(output(), list(backbone.network.parameters()))
        for one, gradient in zip(total, gradients, strict=True):
            one += gradient.abs() ** power / len(outputs)
    backbone.requires_grad_(False)
    return total


def slow_pairs(strategy, task, quality, value_of):
    """One output a pair: what some function says of its probability and its judgement."""
    train, schedule = strategy.context.images(task, "train"), strategy.finetune_schedule()
    seed = strategy.context.seed_for(task.name, "importance")
    outputs = []
    for batch in next(
        epochs_of_pairs([train], schedule, torch.Generator().manual_seed(seed), Released())
    ):
        for i, j in zip(batch.first, batch.second, strict=True):

            def output(first=int(batch.indices[i]), second=int(batch.indices[j])):
                difference = quality(first) - quality(second)
                probability = torch.distributions.Normal(0.0, math.sqrt(2.0)).cdf(difference)
                return value_of(probability, float(train.mos[first] >= train.mos[second]))

            outputs.append(output)
    assert len(outputs) == (24 if schedule.pairs is None else 10)
    return outputs


def assert_equals_slow(importance, slow):
    for part, expected in zip(importance.split([v.numel() for v in slow]), slow, strict=True):
        scale = float(expected.max())
        assert scale > 0
        torch.testing.assert_close(part, expected.flatten(), rtol=2e-3, atol=1e-4 * scale)


def log_probability(probability, judged):
    return torch.log(probability if judged else 1 - probability)


def fidelity(probability, judged):
    agree = torch.sqrt(probability * judged + 1e-8)
    return 1 - agree - torch.sqrt((1 - probability) * (1 - judged) + 1e-8)


@PAIRS
@pytest.mark.parametrize(
    ("method", "importance", "value_of", "power"),
    [
        (EWC, "derived", log_probability, 2),
        (EWC, "released", fidelity, 2),
        (MAS, "released", lambda probability, judged: probability**2, 1),
    ],
    ids=["ewc derived", "ewc released", "mas released"],
)
def test_importance_of_pairs_equals_a_slow_computation(
    single, world, method, importance, value_of, power, pairs
):
    task = world.task("alpha")
    strategy, head, quality = single(method, importance, task, pairs)
    outputs = slow_pairs(strategy, task, quality, value_of)
    assert_equals_slow(strategy.importance_of(task, head), slow_mean(strategy, outputs, power))


def test_mas_derived_is_the_mean_magnitude_for_an_images_squared_quality(single, world):
    task = world.task("alpha")
    strategy, head, quality = single(MAS, "derived", task)
    found = strategy.importance_of(task, head)
    outputs = [lambda i=i: quality(i) ** 2 for i in range(16)]
    assert_equals_slow(found, slow_mean(strategy, outputs, 1))
    strategy.context.images(task, "train").mos.mul_(-1)  # opinion scores do not enter
    assert torch.equal(strategy.importance_of(task, head), found)


def test_the_log_likelihood_is_right_and_stays_finite_far_out():
    difference = torch.tensor([0.5, -0.5, 80.0, -80.0], requires_grad=True)
    value = log_likelihood(difference, torch.tensor([1.0, 1.0, 0.0, 1.0]))
    above = 0.5 * (1 + math.erf(0.5 / 2))
    assert value[:2].tolist() == pytest.approx([math.log(above), math.log(1 - above)], rel=1e-5)
    (slope,) = torch.autograd.grad(value.sum(), difference)
    assert slope.isfinite().all()
    assert slope[2:].tolist() == pytest.approx([-40.0, 40.0], rel=1e-2)  # of -(d / 2)^2


class Recorded(SI):
    """SI that writes down every step of step two: the gradient, where it starts, where it ends."""

    def extra_loss(self, batch, task_loss):
        penalty = super().extra_loss(batch, task_loss)
        derived = self.context.importance == "derived" or penalty is None
        loss = task_loss if derived else task_loss + penalty
        parameters = list(self.backbone.network.parameters())
        gradient = flat(torch.autograd.grad(loss, parameters, retain_graph=True))
        self.steps.append([gradient, self.theta.detach()])
        return penalty

    def after_step(self):
        self.steps[-1].append(self.theta.detach())
        super().after_step()


class TestSI:
    @BOTH
    def test_the_integral_is_the_sum_over_all_steps(self, importance, learn, world):
        """Every step is recorded and summed up slowly."""
        lessons = learn(Recorded, (), importance=importance, weight=50.0)
        strategy, steps = lessons.strategy, []
        strategy.steps = []
        lessons.go_on(world.task("alpha"))
        before, known = strategy.theta, strategy.importance.clone()
        strategy.steps = steps
        lessons.go_on(world.task("beta"))
        assert len(steps) == 2 * 3
        assert torch.equal(strategy.theta, steps[-1][2])
        integral = torch.zeros_like(before)
        for gradient, start, end in steps:
            integral -= gradient * (end - start)
        expected = known + integral / ((strategy.theta - before) ** 2 + DAMPING)
        if importance == "derived":
            expected = expected.clamp_min(0)
        torch.testing.assert_close(strategy.importance, expected, rtol=1e-3, atol=1e-7)
        assert not torch.equal(strategy.importance, known)

    @BOTH
    def test_the_derived_importance_is_never_negative(self, importance, learn):
        # Decay moves parameters against their gradient, too.
        decay = {"schedule.full.weight_decay": 0.05}
        lessons = learn(SI, ("alpha",), importance=importance, overrides=decay)
        found = lessons.strategy.importance
        assert bool((found < 0).any()) == (importance == "released")

    def test_what_lies_behind_the_heads_feature_is_of_no_importance(self, world, card, tmp_path):
        path = card(tmp_path, stages=[-3, -2])
        fields = {"backbone": str(path), "overrides": {"head_feature": "stage"}}
        plan = world.plan("si", ("alpha",), **fields)
        plan.strategy.learn(plan.tasks[0], [])
        names = [name for name, _ in plan.strategy.backbone.network.named_parameters()]
        sizes = [one.numel() for one in plan.strategy.backbone.network.parameters()]
        parts = dict(zip(names, plan.strategy.importance.split(sizes), strict=True))
        behind = {name: part for name, part in parts.items() if name.startswith("layer4")}
        assert behind and not any(part.any() for part in behind.values())
        assert any(part.any() for part in parts.values())

    def test_without_epochs_nothing_is_important(self, learn):
        strategy = learn(SI, ("alpha",), overrides={"schedule.full.epochs": 0}).strategy
        assert not strategy.importance.any()

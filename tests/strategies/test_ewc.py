"""EWC: squared gradients of the log-likelihood, or of the fidelity loss, of single pairs."""

import math

import pytest
import torch

from tsniqa.model.heads import LinearHead
from tsniqa.strategies import importance as shared
from tsniqa.strategies.ewc import EWC, log_likelihood
from tsniqa.training.pairs import drawn_epoch, in_batch_epoch

PAIRS = pytest.mark.parametrize("pairs", [None, 10], ids=["in batch", "drawn"])


@pytest.fixture
def plan(world, monkeypatch, pairs):
    """A plan without random crops, so that a slow computation sees the same; no gamma is zero."""
    monkeypatch.setattr(shared, "random_crop", lambda image, size, _: image[:, :size, :size])
    overrides = {"schedule.full.batch": 4, "schedule.full.pairs": pairs}
    plan = world.plan("multihead", ("alpha",), overrides=overrides)
    generator = torch.Generator().manual_seed(5)
    for value in plan.setting.backbone.network.parameters():
        value.data += 0.1 * torch.randn(value.shape, generator=generator)
    return plan


def slow_pairs(plan, head, value_of, power):
    """Average over pairs, one forward and one backward pass each: a dict by parameter."""
    backbone, step = plan.setting.backbone, plan.setting.schedule.full
    task = plan.tasks[0]
    train = plan.setting.images(task, "train")
    generator = torch.Generator().manual_seed(plan.setting.seed_for(task.name, "importance"))
    if step.pairs is None:
        batches = in_batch_epoch([train.mos], step.batch, generator)
    else:
        batches = drawn_epoch([train.mos], step.batch, [step.pairs], generator)
    named = dict(backbone.network.named_parameters())
    total, count = {name: torch.zeros_like(value) for name, value in named.items()}, 0
    backbone.requires_grad_(True)
    for batch in batches:
        for i, j in zip(batch.first.tolist(), batch.second.tolist(), strict=True):
            first, second = int(batch.indices[i]), int(batch.indices[j])
            quality = []
            for index in (first, second):
                image = train.images[index][:, : step.crop, : step.crop]
                feature = backbone.features(backbone.preprocess(image[None])).head[0]
                quality.append((feature * head.weight.detach()).sum())
            normal = torch.distributions.Normal(0.0, math.sqrt(2.0))
            probability = normal.cdf(quality[0] - quality[1])
            judged = float(train.mos[first] >= train.mos[second])
            backbone.zero_grad()
            value_of(probability, judged).backward()
            for name, parameter in named.items():
                total[name] += parameter.grad.abs() ** power
            count += 1
    backbone.zero_grad(set_to_none=True)
    backbone.requires_grad_(False)
    assert count == (24 if step.pairs is None else 10)
    return {name: value / count for name, value in total.items()}


def assert_equals_slow(importance, slow):
    sizes = [value.numel() for value in slow.values()]
    for part, (name, expected) in zip(importance.split(sizes), slow.items(), strict=True):
        scale = float(expected.max())
        assert scale > 0, name
        torch.testing.assert_close(
            part, expected.flatten(), rtol=2e-3, atol=1e-4 * scale, msg=lambda m, n=name: n + m
        )


def some_head():
    return LinearHead(32, torch.Generator().manual_seed(3))


@PAIRS
def test_derived_is_the_mean_squared_gradient_of_the_log_likelihood(plan):
    def value(probability, judged):
        return torch.log(probability if judged else 1 - probability)

    plan.setting.importance = "derived"
    importance = EWC(plan.setting).importance_of(plan.tasks[0], some_head())
    assert_equals_slow(importance, slow_pairs(plan, some_head(), value, 2))


@PAIRS
def test_released_is_the_mean_squared_gradient_of_the_fidelity_loss(plan):
    def value(probability, judged):
        agree = torch.sqrt(probability * judged + 1e-8)
        return 1 - agree - torch.sqrt((1 - probability) * (1 - judged) + 1e-8)

    plan.setting.importance = "released"
    importance = EWC(plan.setting).importance_of(plan.tasks[0], some_head())
    assert_equals_slow(importance, slow_pairs(plan, some_head(), value, 2))


def test_the_log_likelihood_is_right_and_stays_finite_far_out():
    difference = torch.tensor([0.5, -0.5, 80.0, -80.0], requires_grad=True)
    value = log_likelihood(difference, torch.tensor([1.0, 1.0, 0.0, 1.0]))
    above = 0.5 * (1 + math.erf(0.5 / 2))
    assert value[:2].tolist() == pytest.approx([math.log(above), math.log(1 - above)], rel=1e-5)
    (slope,) = torch.autograd.grad(value.sum(), difference)
    assert slope.isfinite().all()
    assert slope[2:].tolist() == pytest.approx([-40.0, 40.0], rel=1e-2)  # of -(d / 2)^2

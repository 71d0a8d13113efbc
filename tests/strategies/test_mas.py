"""MAS: magnitudes of the gradient of the squared output, an image's quality or a pair's."""

import math

import pytest
import torch

from tsniqa.model.heads import LinearHead
from tsniqa.strategies import importance as shared
from tsniqa.strategies.mas import MAS
from tsniqa.training.pairs import in_batch_epoch


@pytest.fixture
def plan(world, monkeypatch):
    """A plan without random crops, so that a slow computation sees the same; no gamma is zero."""
    monkeypatch.setattr(shared, "random_crop", lambda image, size, _: image[:, :size, :size])
    plan = world.plan("multihead", ("alpha",), overrides={"schedule.full.batch": 4})
    generator = torch.Generator().manual_seed(5)
    for value in plan.setting.backbone.network.parameters():
        value.data += 0.1 * torch.randn(value.shape, generator=generator)
    return plan


def some_head():
    return LinearHead(32, torch.Generator().manual_seed(3))


def quality(plan, index):
    backbone, crop = plan.setting.backbone, plan.setting.schedule.full.crop
    image = plan.setting.images(plan.tasks[0], "train").images[index][:, :crop, :crop]
    feature = backbone.features(backbone.preprocess(image[None])).head[0]
    return (feature * some_head().weight.detach()).sum()


def mean_magnitude(plan, outputs):
    """Average |d output^2 / d theta|, one backward pass an output: a dict by parameter."""
    backbone = plan.setting.backbone.requires_grad_(True)
    named = dict(backbone.network.named_parameters())
    total = {name: torch.zeros_like(value) for name, value in named.items()}
    for output in outputs:
        backbone.zero_grad()
        (output() ** 2).backward()
        for name, parameter in named.items():
            total[name] += parameter.grad.abs() / len(outputs)
    backbone.zero_grad(set_to_none=True)
    backbone.requires_grad_(False)
    return total


def assert_equals_slow(importance, slow):
    sizes = [value.numel() for value in slow.values()]
    for part, (name, expected) in zip(importance.split(sizes), slow.items(), strict=True):
        scale = float(expected.max())
        assert scale > 0, name
        torch.testing.assert_close(part, expected.flatten(), rtol=2e-3, atol=1e-4 * scale)


def test_derived_is_the_mean_magnitude_for_an_images_squared_quality(plan):
    plan.setting.importance = "derived"
    importance = MAS(plan.setting).importance_of(plan.tasks[0], some_head())
    outputs = [lambda i=i: quality(plan, i) for i in range(16)]
    assert_equals_slow(importance, mean_magnitude(plan, outputs))


def test_released_is_the_mean_magnitude_for_a_pairs_squared_probability(plan):
    plan.setting.importance = "released"
    importance = MAS(plan.setting).importance_of(plan.tasks[0], some_head())
    seed = plan.setting.seed_for("alpha", "importance")
    mos = plan.setting.images(plan.tasks[0], "train").mos
    outputs = []
    for batch in in_batch_epoch([mos], 4, torch.Generator().manual_seed(seed)):
        for i, j in zip(batch.first, batch.second, strict=True):
            pair = int(batch.indices[i]), int(batch.indices[j])

            def probability(pair=pair):
                difference = quality(plan, pair[0]) - quality(plan, pair[1])
                return 0.5 * (1 + torch.erf(difference / math.sqrt(2) / math.sqrt(2)))

            outputs.append(probability)
    assert len(outputs) == 24
    assert_equals_slow(importance, mean_magnitude(plan, outputs))


def test_opinion_scores_do_not_enter_the_derived_importance(plan):
    method, task = MAS(plan.setting), plan.tasks[0]
    first = method.importance_of(task, some_head())
    plan.setting.images(task, "train").mos.mul_(-1)
    assert torch.equal(method.importance_of(task, some_head()), first)

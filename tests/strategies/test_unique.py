"""UNIQUE: probabilities of preference from means and deviations, predicted and human."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from scipy.stats import norm

from tsniqa.strategies.unique import (
    MARGIN,
    RATE,
    Opinions,
    Uncertainty,
    Unique,
    opinions_of,
    unique_loss,
)
from tsniqa.training.pairs import PairBatch, in_batch_pairs


def drawn(seed=0, count=6):
    """Draw predictions and opinions of a batch, and form all pairs."""
    random = np.random.default_rng(seed)
    mean = torch.tensor(random.normal(size=count), dtype=torch.float32)
    std = torch.tensor(random.uniform(0.2, 1, count), dtype=torch.float32)
    mos = torch.tensor(random.uniform(1, 5, count))
    human = torch.tensor(random.uniform(0.2, 1, count))
    batch = PairBatch(0, torch.arange(count), *in_batch_pairs(mos))
    return mean, std, Opinions(mos, human), batch


def slow_loss(mean, std, opinions, weight):
    """Go through all pairs one by one."""
    fidelity, hinge = [], []
    mos, human = (values.tolist() for values in opinions)
    for x in range(len(mos)):
        for y in range(x + 1, len(mos)):
            wanted = norm.cdf((mos[x] - mos[y]) / math.hypot(human[x], human[y]))
            given = norm.cdf((mean[x] - mean[y]) / math.hypot(std[x], std[y]))
            agree = math.sqrt(wanted * given) + math.sqrt((1 - wanted) * (1 - given))
            fidelity.append(1 - agree)
            c = (human[x] > human[y]) - (human[x] < human[y])
            hinge.append(max(0, MARGIN - c * (std[x] - std[y])))
    return np.mean(fidelity) + weight * np.mean(hinge)


@pytest.mark.parametrize("weight", [0.0, 1.0, 3.0])
def test_the_loss_is_that_of_all_pairs_one_by_one(weight):
    mean, std, opinions, batch = drawn()
    loss = unique_loss(mean, std, opinions, batch, weight)
    expected = slow_loss(mean.tolist(), std.tolist(), opinions, weight)
    assert float(loss) == pytest.approx(expected, abs=1e-5)


def test_the_hinge_alone_trains_the_uncertainty():
    mean, std, opinions, batch = drawn()
    mean.requires_grad_()
    std.requires_grad_()
    unique_loss(mean, std, opinions, batch, 0.0).backward()
    assert mean.grad.abs().min() > 0
    assert not std.grad.any()
    unique_loss(mean, std, opinions, batch, 1.0).backward()
    assert std.grad.any()
    std.grad = None
    equal = opinions._replace(std=torch.full_like(opinions.std, 0.5))
    unique_loss(mean, std, equal, batch, 1.0).backward()
    assert not std.grad.any()


def test_the_hinge_trains_what_the_uncertainty_reads_the_harder_the_larger_its_weight():
    mean, _, opinions, batch = drawn()
    uncertainty = Uncertainty(4, torch.Generator().manual_seed(0))
    features = torch.randn(6, 4, generator=torch.Generator().manual_seed(1), requires_grad=True)
    lengths = []
    for weight in (0.0, 1.0, 10.0):
        features.grad = None
        unique_loss(mean, uncertainty(features), opinions, batch, weight).backward()
        lengths.append(float(features.grad.norm()))
    assert lengths[0] == 0
    assert lengths[2] == pytest.approx(10 * lengths[1])
    assert lengths[1] > 0


def test_unanimous_observers_give_a_sure_preference_or_none():
    _, std, _, batch = drawn(count=3)
    opinions = Opinions(torch.tensor([1.0, 1.0, 2.0]).double(), torch.zeros(3).double())
    ties = PairBatch(0, torch.arange(3), torch.tensor([0]), torch.tensor([1]), torch.ones(1))
    even = unique_loss(torch.zeros(3), std, opinions, ties, 0.0)
    assert float(even) == pytest.approx(0, abs=1e-4)  # p = 1/2 and is predicted so
    sure = unique_loss(torch.tensor([-50.0, -50.0, 50.0]), std, opinions, batch, 0.0)
    assert np.isfinite(float(sure))


def test_missing_deviations_are_half_a_point_of_five(world):
    task = world.task("alpha")
    table = task.table.copy()
    table.loc[table.index[:4], "std"] = np.nan
    opinions = opinions_of(dataclasses.replace(task, table=table, mos_range=(1, 5)))
    assert opinions.std[:4].tolist() == [0.5] * 4
    assert opinions.std[4:].tolist() == [0.3] * 12
    wide = opinions_of(
        dataclasses.replace(task, table=table.assign(std=np.nan), mos_range=(0, 100))
    )
    assert wide.std.tolist() == [12.5] * 16


@pytest.mark.parametrize("on_crops", [False, True])
def test_all_parts_learn_in_both_steps(learn, on_crops):
    crops = {"crop": 24, "head_learning_rate": 0.1, "bn_statistics": "kept"}
    step_one = {"epochs": 6, "batch": 6, "learning_rate": 0.1, "decay_every": 20}
    overrides = {"schedule.head": step_one | crops} if on_crops else {}
    lessons = learn("unique", ("alpha", "gamma"), overrides=overrides)
    fresh = Unique(lessons.context)
    assert not torch.equal(lessons.strategy.uncertainty.weight, fresh.uncertainty.weight)
    learned = lessons.state
    assert not torch.equal(learned["heads/shared/weight"], fresh.new_head("shared").weight)
    filters = fresh.backbone.network.layer1[0].conv1.weight
    assert not torch.equal(learned["bank-shared/layer1.0.conv1.weight"], filters)
    steps = [epoch.step for epoch in lessons.results[0].history]
    assert steps == ["head"] * (7 if on_crops else 5) + ["images"] * 3


def test_the_uncertainty_learns_at_its_own_rate_whatever_the_heads_is(learn):
    lessons = learn("unique", ("alpha", "gamma"))
    start, end = Unique(lessons.context), lessons.strategy
    moved = (end.uncertainty.weight - start.uncertainty.weight).abs().max()
    updates = 4 * 2 * 2 + 2 * 2 * 3  # epochs x tasks x batches, in both steps
    assert 0 < moved <= 2 * updates * RATE  # one of Adam's updates is about its rate
    head = lessons.model.heads["shared"].weight
    assert (head - start.new_head("shared").weight).abs().max() > 10 * moved

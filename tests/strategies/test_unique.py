"""UNIQUE: probabilities of preference from means and deviations, predicted and human."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from scipy.stats import norm

from tsniqa.metrics import srcc
from tsniqa.model.fidelity import in_batch_pairs
from tsniqa.strategies.unique import MARGIN, RATE, Opinions, Unique, opinions_of, unique_loss
from tsniqa.training.pairs import PairBatch

LONGER = {"schedule.head.epochs": 8, "schedule.full.epochs": 6, "schedule.full.decay_every": 20}


def learned(world, order=("alpha", "gamma"), on_crops=False):
    """Learn long enough, and with such a seed, that neither step is best at its epoch 0."""
    plan = world.plan("joint", order, seed=2, overrides=LONGER)
    schedule = plan.setting.schedule
    if on_crops:
        plan.setting.schedule = schedule.model_copy(update={"head": schedule.full})
    strategy = Unique(plan.setting)
    result = strategy.learn(plan.tasks[-1], plan.tasks[:-1])
    return plan, strategy, result


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
    opinions = opinions_of(dataclasses.replace(task, table=table))
    assert opinions.std[:4].tolist() == [0.5] * 4
    assert opinions.std[4:].tolist() == [0.3] * 12
    wide = opinions_of(
        dataclasses.replace(task, table=table.assign(std=np.nan), mos_range=(0, 100))
    )
    assert wide.std.tolist() == [12.5] * 16


def test_the_units_of_a_rating_scale_do_not_matter():
    mean, std, opinions, batch = drawn()
    other = Opinions(opinions.mos * 25 - 25, opinions.std * 25)
    expected = unique_loss(mean, std, opinions, batch)
    assert float(unique_loss(mean, std, other, batch)) == pytest.approx(float(expected), abs=1e-6)


@pytest.mark.parametrize("on_crops", [False, True])
def test_the_order_of_tasks_does_not_matter_and_all_parts_learn(world, on_crops):
    plan, strategy, result = learned(world, on_crops=on_crops)
    fresh = Unique(plan.setting).state()
    state = strategy.state()
    _, other, _ = learned(world, ("gamma", "alpha"), on_crops)
    assert all(torch.equal(state[name], value) for name, value in other.state().items())
    for name in ("head", "uncertainty/weight", "network/layer1.0.conv1.weight"):
        assert not torch.equal(state[name], fresh[name])
    steps = [epoch.step for epoch in result.history]
    assert steps == ["head"] * (7 if on_crops else 9) + ["images"] * 7
    assert result.offsets == {"shared": 0.0}
    network = plan.setting.backbone
    assert network.filters_fingerprint() == plan.fingerprints["filters before"]


def test_the_uncertainty_learns_at_its_own_rate_whatever_the_heads_is(world):
    plan, strategy, _ = learned(world)
    start = Unique(plan.setting)
    moved = (strategy.uncertainty.weight - start.uncertainty.weight).abs().max()
    updates = 8 * 2 * 2 + 6 * 2 * 3  # epochs x tasks x batches, in both steps
    assert 0 < moved <= 2 * updates * RATE  # one of Adam's updates is about its rate
    assert (strategy.head.weight - start.head.weight).abs().max() > 10 * moved


def test_scores_are_the_means_with_a_weight_of_unit_length(world):
    plan, strategy, _ = learned(world)
    images = plan.setting.images(plan.tasks[0], "test").images
    scores = strategy.heads(images)
    assert strategy.head_names == ["shared"]
    assert scores.shape == (len(images), 1)
    assert scores.dtype == np.float32
    assert np.abs(scores).max() <= 1 + 1e-6
    assert strategy.distances(images) is None
    del strategy.uncertainty
    assert np.array_equal(strategy.heads(images), scores)


def test_validation_srcc_is_that_of_the_best_epoch(world):
    plan, strategy, result = learned(world)
    best = max(epoch.validation_srcc for epoch in result.history if epoch.step == "images")
    values = [
        srcc(strategy.heads(plan.setting.images(t, "val").images)[:, 0], t.mos("val").astype("f4"))
        for t in plan.tasks
    ]
    assert np.mean(values) == pytest.approx(best, abs=1e-9)


def test_a_stored_state_goes_on_and_counts(world, tmp_path):
    plan, strategy, _ = learned(world)
    strategy.save(tmp_path)
    fresh = Unique(world.plan("joint", ("alpha", "gamma"), seed=1).setting)
    fresh.load_state(load_file(tmp_path / "unique.safetensors"))
    state = strategy.state()
    assert all(torch.equal(state[name], value) for name, value in fresh.state().items())
    images = plan.setting.images(plan.tasks[0], "test").images
    assert np.array_equal(fresh.heads(images), strategy.heads(images))
    network = sum(p.numel() for p in plan.setting.backbone.network.parameters())
    assert strategy.parameters().learnable_per_task == network + 32 + 33
    assert strategy.parameters().stored_per_task == 0

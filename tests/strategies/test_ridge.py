"""Ridge: the closed form on frozen features, its strength from folds of the training images."""

import dataclasses

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sklearn.model_selection import GroupKFold

from tsniqa.metrics import srcc
from tsniqa.strategies.ridge import STRENGTHS, Ridge, fit, stacked


def learned(world, order=("alpha", "beta"), **fields):
    plan = world.plan(order=order, **fields)
    strategy = Ridge(plan.setting)
    results = [strategy.learn(task, plan.tasks[:step]) for step, task in enumerate(plan.tasks)]
    return plan, strategy, results


def scaled(task, part):
    low, high = task.mos_range
    return 2 * (task.mos(part) - low) / (high - low) - 1


def solve(values, labels, strength):
    """Solve the normal equations of ridge regression with an unpenalised bias."""
    mean, centre = values.mean(axis=0), labels.mean()
    centred = values - mean
    system = centred.T @ centred + strength * np.eye(values.shape[1])
    weight = np.linalg.solve(system, centred.T @ (labels - centre))
    return weight, centre - mean @ weight


def known(plan, task, part):
    return stacked(plan.setting.reference_features(task, part)).double().numpy()


@pytest.mark.parametrize("strength", [1e-3, 0.1])
def test_scores_are_those_of_the_normal_equations(world, strength):
    plan = world.plan(order=("alpha",))
    plan.setting.strategy_weight = strength
    strategy, task = Ridge(plan.setting), plan.tasks[0]
    strategy.learn(task, [])
    weight, bias = solve(known(plan, task, "train"), scaled(task, "train"), strength)
    expected = np.clip(known(plan, task, "test") @ weight + bias, -1, 1)
    scores = strategy.heads(plan.setting.images(task, "test").images)
    assert np.allclose(scores[:, 0], expected, atol=1e-5)


def test_the_strength_has_the_least_error_on_folds_disjoint_in_content(world):
    plan = world.plan(order=("alpha",))
    task = plan.tasks[0]
    # Two images show every scene; the folds must not part them.
    table = task.table.assign(reference=[f"scene {i // 2}" for i in range(len(task.table))])
    task = dataclasses.replace(task, table=table)
    values, labels = known(plan, task, "train"), scaled(task, "train")
    contents = task.part("train")["reference"].to_numpy()
    scenes = list(dict.fromkeys(contents))
    features = stacked(plan.setting.reference_features(task, "train"))
    chosen = fit(features, task)
    heads = {strength: fit(features, task, strength) for strength in STRENGTHS}
    same = [s for s, head in heads.items() if torch.equal(head.weight, chosen.weight)]
    assert len(same) == 1
    error = dict.fromkeys(STRENGTHS, 0.0)
    for rest, held in GroupKFold(5).split(values, groups=contents):
        assert not set(contents[rest]) & set(contents[held])
        for strength in STRENGTHS:
            weight, bias = solve(values[rest], labels[rest], strength)
            error[strength] += np.mean((values[held] @ weight + bias - labels[held]) ** 2)
    assert len(scenes) == 8
    assert same == [min(error, key=error.get)]


def test_a_single_content_falls_back_on_leaving_one_out(world):
    plan = world.plan(order=("alpha",))
    task = plan.tasks[0]
    task = dataclasses.replace(task, table=task.table.assign(reference="one"))
    values, labels = known(plan, task, "train"), scaled(task, "train")
    features = stacked(plan.setting.reference_features(task, "train"))
    chosen = fit(features, task)
    error = {}
    for strength in STRENGTHS:
        misses = []
        for held in range(len(labels)):
            rest = np.arange(len(labels)) != held
            weight, bias = solve(values[rest], labels[rest], strength)
            misses.append(values[held] @ weight + bias - labels[held])
        error[strength] = np.mean(np.square(misses))
    expected = fit(features, task, min(error, key=error.get))
    assert torch.allclose(chosen.weight, expected.weight, atol=1e-9)


def test_it_learns_and_its_history_is_one_entry(world):
    plan, strategy, results = learned(world)
    for task, result in zip(plan.tasks, results, strict=True):
        (epoch,) = result.history
        assert (epoch.step, epoch.epoch, epoch.loss) == ("head", 0, None)
        images = {part: plan.setting.images(task, part).images for part in ("train", "val")}
        scores = strategy.heads(images["val"], [task.name])[:, 0]
        assert epoch.validation_srcc == srcc(scores, task.mos("val"))
        trained = strategy.heads(images["train"], [task.name])[:, 0]
        assert result.offsets == {task.name: pytest.approx(trained.astype(float).mean())}
    images = plan.setting.images(plan.tasks[0], "train").images
    assert srcc(strategy.heads(images, ["alpha"])[:, 0], plan.tasks[0].mos("train")) > 0.7


def test_scores_beyond_the_rating_scale_are_clipped(world):
    plan = world.plan(order=("alpha",))
    task = dataclasses.replace(plan.tasks[0], mos_range=(2.9, 3.1))
    strategy = Ridge(plan.setting)
    strategy.learn(task, [])
    scores = strategy.heads(plan.setting.images(task, "train").images)
    assert {-1.0, 1.0} <= set(scores.ravel().tolist())
    assert np.abs(scores).max() == 1


def test_neither_order_nor_seed_matters_to_the_heads(world):
    _, first, _ = learned(world)
    _, second, _ = learned(world, ("beta", "alpha"))
    _, other, _ = learned(world, seed=1)
    state = first.state()
    assert all(torch.equal(state[name], value) for name, value in second.state().items())
    heads = [name for name in state if not name.startswith("gate/")]
    assert all(torch.equal(state[name], other.state()[name]) for name in heads)
    assert not all(torch.equal(state[name], value) for name, value in other.state().items())


def test_a_fresh_strategy_goes_on_from_a_stored_state(world, tmp_path):
    plan, strategy, _ = learned(world)
    strategy.save(tmp_path)
    fresh = Ridge(plan.setting)
    fresh.load_state(load_file(tmp_path / "ridge.safetensors"))
    images = plan.setting.images(plan.tasks[0], "test").images
    assert fresh.head_names == strategy.head_names
    assert np.array_equal(fresh.heads(images), strategy.heads(images))
    assert np.array_equal(fresh.distances(images), strategy.distances(images))
    width = 24 + 32 + 32
    assert fresh.parameters().learnable_per_task == width + 1
    assert fresh.parameters().stored_per_task == width + 1 + 5 * (24 + 32)
    assert fresh.filters_fingerprint() == plan.fingerprints["filters before"]

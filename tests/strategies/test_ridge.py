"""Ridge: the closed form on frozen features, its strength from folds of the training images."""

import dataclasses

import numpy as np
import pytest
import torch
from sklearn.model_selection import GroupKFold, KFold

from tsniqa.metrics import srcc
from tsniqa.strategies.ridge import STRENGTHS, Ridge, fit_ridge


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
    return plan.context.reference_features(task, part).head.double().numpy()


@pytest.mark.parametrize("strength", [1e-3, 0.1])
def test_scores_are_those_of_the_normal_equations(world, strength):
    plan = world.plan(order=("alpha",))
    plan.context.weight = strength
    strategy, task = Ridge(plan.context), plan.tasks[0]
    strategy.learn(task, [])
    weight, bias = solve(known(plan, task, "train"), scaled(task, "train"), strength)
    expected = np.clip(known(plan, task, "test") @ weight + bias, -1, 1)
    scores = strategy.model.read(plan.context.images(task, "test").images).heads
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
    features = plan.context.reference_features(task, "train").head
    chosen = fit_ridge(features, task)
    heads = {strength: fit_ridge(features, task, strength) for strength in STRENGTHS}
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


def test_of_a_single_content_images_are_held_out(world):
    plan = world.plan(order=("alpha",))
    task = plan.tasks[0]
    task = dataclasses.replace(task, table=task.table.assign(reference="one"))
    values, labels = known(plan, task, "train"), scaled(task, "train")
    features = plan.context.reference_features(task, "train").head
    chosen = fit_ridge(features, task)
    error = {}
    for strength in STRENGTHS:
        misses = []
        for rest, held in KFold(5).split(values):
            weight, bias = solve(values[rest], labels[rest], strength)
            misses.append(np.mean((values[held] @ weight + bias - labels[held]) ** 2))
        error[strength] = np.mean(misses)
    expected = fit_ridge(features, task, min(error, key=error.get))
    assert torch.allclose(chosen.weight, expected.weight, atol=1e-9)


def test_it_learns_and_its_history_is_one_entry(learn):
    lessons = learn("ridge", overrides={"head_feature": "multi"})
    for task, result in zip(lessons.tasks, lessons.results, strict=True):
        (epoch,) = result.history
        assert (epoch.step, epoch.epoch, epoch.loss) == ("head", 0, None)
        images = {part: lessons.context.images(task, part).images for part in ("train", "val")}
        scores = lessons.model.read(images["val"], [task.name])[0][:, 0]
        assert epoch.validation_srcc == srcc(scores, task.mos("val"))
        trained = lessons.model.read(images["train"], [task.name])[0][:, 0]
        level = trained.astype(float).mean(), trained.astype(float).std()
        assert result.levels == {task.name: pytest.approx(level)}
    assert srcc(lessons.scores("train", ["alpha"])[:, 0], lessons.tasks[0].mos("train")) > 0.7


def test_scores_beyond_the_rating_scale_are_clipped(world):
    plan = world.plan(order=("alpha",))
    task = dataclasses.replace(plan.tasks[0], mos_range=(2.9, 3.1))
    plan.context.weight = 1e-3
    strategy = Ridge(plan.context)
    strategy.learn(task, [])
    scores = strategy.model.read(plan.context.images(task, "train").images).heads
    assert {-1.0, 1.0} <= set(scores.ravel().tolist())
    assert np.abs(scores).max() == 1

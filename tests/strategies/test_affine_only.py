"""Affine-only: gamma and beta are the task's, the statistics are everybody's."""

import numpy as np
import pytest
import torch

from tsniqa.model.tsniqa import TSNIQA
from tsniqa.strategies.affine_only import AffineOnly
from tsniqa.strategies.tsn import TSN

BATCH = {"schedule.normalization.statistics": "batch"}
KEPT = {"schedule.normalization.statistics": "kept"}


def learned(world, kind=AffineOnly, order=("alpha", "beta"), overrides=BATCH):
    plan = world.plan(order=order, overrides=overrides)
    strategy = kind(plan.setting)
    for step, task in enumerate(plan.tasks):
        strategy.learn(task, plan.tasks[:step])
    return plan, strategy


def is_affine(name, network):
    return name in dict(network.named_parameters())


@pytest.mark.parametrize("overrides", [BATCH, KEPT])
def test_statistics_and_filters_keep_their_bits_and_affine_parameters_do_not(world, overrides):
    plan = world.plan(order=("alpha",), overrides=overrides)
    network = plan.setting.backbone.network
    before = {name: value.clone() for name, value in network.state_dict().items()}
    strategy = AffineOnly(plan.setting)
    strategy.learn(plan.tasks[0], [])
    strategy.model.bank.load("alpha")
    changed = {n for n, value in network.state_dict().items() if not torch.equal(value, before[n])}
    assert changed == strategy.model.bank.live().keys()
    assert not any("running" in name or "tracked" in name for name in changed)
    assert strategy.filters_fingerprint() == plan.fingerprints["filters before"]


def test_it_differs_from_tsn_by_the_statistics_alone(world):
    plan, strategy = learned(world)
    _, tsn = learned(world, TSN)
    _, kept = learned(world, TSN, overrides=KEPT)
    images = plan.setting.images(plan.tasks[0], "test").images
    assert not np.array_equal(strategy.heads(images), tsn.heads(images))
    assert np.array_equal(strategy.heads(images), kept.heads(images))
    assert np.array_equal(strategy.distances(images), tsn.distances(images))


def test_a_task_stores_no_statistics(world):
    plan, strategy = learned(world, order=("alpha",))
    network = plan.setting.backbone.network
    state = strategy.model.bank.states["alpha"]
    assert all(is_affine(name, network) for name in state)
    affine, head, gate = sum(value.numel() for value in state.values()), 32, 5 * (24 + 32)
    count = strategy.parameters()
    assert count.learnable_per_task == affine + head
    assert count.stored_per_task == affine + head + gate


def test_what_is_learned_does_not_depend_on_earlier_tasks(world):
    _, first = learned(world, order=("alpha", "beta"))
    _, second = learned(world, order=("beta", "alpha"))
    assert first.state().keys() == second.state().keys()
    assert all(torch.equal(value, second.state()[name]) for name, value in first.state().items())


def test_the_saved_model_scores_as_the_strategy_did(world, tmp_path):
    plan, strategy = learned(world)
    strategy.save(tmp_path / "model")
    images = plan.setting.images(plan.tasks[1], "test").images
    loaded = TSNIQA.load(tmp_path / "model")
    assert np.array_equal(loaded.head_scores(images), strategy.heads(images))
    assert np.array_equal(loaded.distances(images), strategy.distances(images))

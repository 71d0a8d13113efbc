"""Head-only: the network does not change, and the saved model is a TSN model like any other."""

import numpy as np
import torch

from tsniqa.model.tsniqa import TSNIQA


def learned(world):
    plan = world.plan("head-only", ("alpha", "beta"))
    before = {n: v.clone() for n, v in plan.setting.backbone.network.state_dict().items()}
    for step, task in enumerate(plan.tasks):
        plan.strategy.learn(task, plan.tasks[:step])
    return plan, before


def test_no_tensor_of_the_network_changes(world):
    plan, before = learned(world)
    after = plan.setting.backbone.network.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_task_costs_a_head_and_centroids(world):
    plan, _ = learned(world)
    count = plan.strategy.parameters()
    assert count.learnable_per_task == 32
    assert count.stored_per_task == 32 + 5 * (24 + 32)


def test_the_saved_model_scores_as_the_strategy_did(world, tmp_path):
    plan, _ = learned(world)
    plan.strategy.save(tmp_path / "model")
    loaded = TSNIQA.load(tmp_path / "model")
    images = plan.setting.images(plan.tasks[1], "test").images
    assert loaded.tasks == ["alpha", "beta"]
    assert np.array_equal(loaded.head_scores(images), plan.strategy.heads(images))
    assert np.array_equal(loaded.score(images), plan.strategy.model.score(images))

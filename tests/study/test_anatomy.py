"""Counts by kind of layer, and what learning and swapping change."""

import pytest
import torch

from tsniqa.study import anatomy
from tsniqa.training.context import GateOptions


@pytest.fixture(scope="module")
def learned(world):
    """A plan whose first and last task have been learned."""
    plan = world.plan()
    plan.strategy.learn(plan.tasks[0], [])
    plan.strategy.learn(plan.tasks[2], plan.tasks[:1])
    return plan


def test_counts_add_up_to_the_network_and_the_cost_of_a_task(learned):
    model, backbone = learned.strategy.model, learned.setting.backbone
    centroids = model.gate.stored("alpha")
    table = anatomy.parameter_counts(backbone, "kept", centroids)
    in_network = table.drop(["head", "gate: centroids"])["numbers"].sum()
    state = backbone.network.state_dict()
    assert in_network == sum(t.numel() for n, t in state.items() if "num_batches" not in n)
    per_task = table.loc[table["held"] == "per task", "numbers"].sum()
    assert per_task == learned.strategy.parameters().stored_per_task
    learnable = table.loc[table["learning"] == "learned", "numbers"].sum()
    assert learnable == learned.strategy.parameters().learnable_per_task


def test_centroids_are_counted_over_both_stages(learned):
    clusters, widths = 5, (24, 32)
    gate = learned.strategy.model.gate
    assert isinstance(learned.setting.gate, GateOptions)
    assert gate.stored("alpha") == clusters * sum(widths)


def test_running_statistics_say_whether_they_are_a_tasks_own(learned):
    for statistics, words in (("kept", "pretrained"), ("batch", "own images")):
        table = anatomy.parameter_counts(learned.setting.backbone, statistics, 0)
        row = table.loc["normalization: running statistics", "learning"]
        assert words.split()[-1] in row


def test_changes_are_found_bit_for_bit():
    before = {"a.weight": torch.ones(2), "b.weight": torch.ones(2), "a.bias": torch.zeros(2)}
    after = {**before, "b.weight": torch.tensor([1.0, 1.0 + 2**-23])}
    table = anatomy.changed(before, after)
    assert table["tensors"].to_dict() == {"weight": 2, "bias": 1}
    assert table["changed"].to_dict() == {"weight": 1, "bias": 0}
    assert table.loc["weight", "largest change"] == 2**-23


def test_swapping_back_brings_back_the_same_bits(learned):
    model = learned.strategy.model
    images = learned.setting.images(learned.tasks[0], "test").images
    fingerprint = learned.setting.backbone.filters_fingerprint()
    scores = anatomy.scores_while_swapping(model, images, "alpha", "gamma")
    assert list(scores.columns) == ["alpha", "initial", "gamma", "alpha again"]
    assert len(scores) == 6
    assert scores["alpha"].equals(scores["alpha again"])
    assert not scores["alpha"].equals(scores["gamma"])
    assert learned.setting.backbone.filters_fingerprint() == fingerprint
    state = model.bank.live()
    assert all(torch.equal(state[name], value) for name, value in model.bank.initial.items())

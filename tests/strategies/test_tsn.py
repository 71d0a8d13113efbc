"""TSN: frozen filters, and nothing that depends on the order of tasks."""

import numpy as np
import pytest
import torch

from tsniqa.paths import cache_folder, shipped
from tsniqa.study.config import RunConfig

TASKS = ("alpha", "beta", "gamma")


def learn(plan):
    for step, task in enumerate(plan.tasks):
        plan.strategy.learn(task, plan.tasks[:step])
    return plan


def outcome(plan):
    """All that was learned, and all scores and distances of all test images."""
    found = {key: value.numpy().copy() for key, value in plan.strategy.state().items()}
    for task in plan.tasks:
        images = plan.setting.images(task, "test").images
        found[f"scores {task.name}"] = plan.strategy.heads(images)
        if plan.strategy.gated:
            found[f"distances {task.name}"] = plan.strategy.distances(images)
            found[f"gated {task.name}"] = plan.strategy.model.score(images)
    return found


def assert_bitwise_equal(first, second):
    assert first.keys() == second.keys()
    for key, value in first.items():
        assert value.dtype == second[key].dtype
        assert value.tobytes() == second[key].tobytes(), key


def test_banks_heads_centroids_and_scores_are_bitwise_the_same_for_every_order(world):
    orders = [TASKS, TASKS[::-1], ("beta", "alpha", "gamma")]
    plans = [learn(world.plan("tsn", order)) for order in orders]
    outcomes = [outcome(plan) for plan in plans]
    for other in outcomes[1:]:
        assert_bitwise_equal(outcomes[0], other)
    # The comparison says something: normalization did move, and differently for two tasks.
    states = plans[0].strategy.model.bank.states
    assert any(not torch.equal(states["alpha"][name], v) for name, v in states["beta"].items())


def test_with_batch_statistics_too(world):
    overrides = {"schedule.normalization.statistics": "batch"}
    orders = (TASKS, TASKS[::-1])
    first, second = (outcome(learn(world.plan("tsn", o, overrides=overrides))) for o in orders)
    assert_bitwise_equal(first, second)


@pytest.mark.parametrize("strategy", ["head-only", "separate"])
def test_the_other_strategies_with_a_head_a_task_are_as_invariant(world, strategy):
    first, second = (outcome(learn(world.plan(strategy, order))) for order in (TASKS, TASKS[::-1]))
    assert_bitwise_equal(first, second)


def test_what_is_learned_of_a_task_does_not_depend_on_there_being_others(world):
    alone = outcome(learn(world.plan("tsn", ("beta",))))
    together = outcome(learn(world.plan("tsn", TASKS)))
    for key, value in alone.items():
        if not key.startswith(("scores", "distances", "gated")):
            assert value.tobytes() == together[key].tobytes()


def test_filters_stay_bit_for_bit_while_normalization_moves(world):
    plan = world.plan("tsn", TASKS, overrides={"schedule.normalization.statistics": "kept"})
    before = plan.strategy.filters_fingerprint()
    learn(plan)
    assert plan.strategy.filters_fingerprint() == before == plan.fingerprints["filters before"]
    bank = plan.strategy.model.bank
    moved = {
        task: [n for n, v in bank.states[task].items() if not torch.equal(v, bank.initial[n])]
        for task in TASKS
    }
    assert any(name.endswith("weight") for name in moved["alpha"])
    assert not any("running" in name for names in moved.values() for name in names)  # kept


def test_batch_statistics_become_the_tasks_own_and_no_other_tensor_changes(world):
    plan = world.plan(
        "tsn", ("alpha", "beta"), overrides={"schedule.normalization.statistics": "batch"}
    )
    network = plan.setting.backbone.network
    before = {name: value.clone() for name, value in network.state_dict().items()}
    learn(plan)
    states = plan.strategy.model.bank.states
    name = "layer1.0.bn1.running_mean"
    assert not torch.equal(states["alpha"][name], plan.strategy.model.bank.initial[name])
    assert not torch.equal(states["alpha"][name], states["beta"][name])
    after = network.state_dict()  # learning leaves the initial normalization behind
    assert all(
        torch.equal(before[n], after[n]) for n in before if not n.endswith("num_batches_tracked")
    )


def test_the_network_is_frozen_in_evaluation_mode_after_learning(world):
    network = learn(world.plan("tsn", ("alpha",))).setting.backbone.network
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert not any(module.training for module in network.modules())


def test_a_second_task_leaves_the_first_ones_scores_bit_for_bit(world):
    plan = world.plan("tsn", TASKS)
    images = plan.setting.images(plan.tasks[0], "test").images
    plan.strategy.learn(plan.tasks[0], [])
    before = plan.strategy.heads(images)
    for step in (1, 2):
        plan.strategy.learn(plan.tasks[step], plan.tasks[:step])
        assert np.array_equal(plan.strategy.heads(images, ["alpha"]), before)


def test_parameters_are_counted_as_stored(world):
    plan = learn(world.plan("tsn", TASKS))
    count, state = plan.strategy.parameters(), plan.strategy.state()
    network = plan.setting.backbone.network
    affine = sum(p.numel() for name, p in network.named_parameters() if p.dim() == 1)
    assert count.learnable_per_task == affine + 32
    stored = sum(
        value.numel()
        for key, value in state.items()
        if key.startswith(("normalization/alpha", "head/alpha", "gate/alpha"))
    )
    assert count.stored_per_task == stored == 2 * affine + 32 + 5 * (24 + 32)


def test_without_step_two_tsn_is_head_only(world):
    tsn = world.plan("tsn", TASKS, overrides={"schedule.normalization.epochs": 0})
    control = world.plan("head-only", TASKS)
    first, second = outcome(learn(tsn)), outcome(learn(control))
    first = {key: value for key, value in first.items() if not key.startswith("normalization/")}
    assert_bitwise_equal(first, second)


@pytest.mark.slow
@pytest.mark.skipif(
    not (shipped("backbones") / "mini.yml").is_file(), reason="the mini backbone is not there yet"
)
def test_three_mini_tasks_in_two_orders_on_the_mini_backbone(prepare, tmp_path):
    order = ("mini-live", "mini-bid", "mini-kadid")
    outcomes = []
    for tasks in (order, order[::-1]):
        plan = prepare(RunConfig(preset="smoke", task_order=tasks), tmp_path, "cpu")
        before = plan.strategy.filters_fingerprint()
        outcomes.append(outcome(learn(plan)))
        assert plan.strategy.filters_fingerprint() == before
    assert cache_folder("mini").is_dir()
    assert_bitwise_equal(*outcomes)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_on_a_gpu_the_order_does_not_matter_either_and_filters_stay(prepare, world):
    outcomes = []
    for order in (TASKS, TASKS[::-1]):
        plan = prepare(world.config("tsn", order), world.data_root, "cuda")
        before = plan.strategy.filters_fingerprint()
        outcomes.append(outcome(learn(plan)))
        assert plan.strategy.filters_fingerprint() == before
    assert_bitwise_equal(*outcomes)

"""Joint learning: all tasks at once, in whatever order they are named."""

import pytest
import torch

from tsniqa.metrics import srcc


def fitted(world, strategy, order):
    plan = world.plan(strategy, order)
    learned = plan.strategy.learn(plan.tasks[-1], plan.tasks[:-1])
    return plan, learned, plan.strategy.state()


def assert_equal(first, second):
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_the_order_of_tasks_does_not_matter(world):
    _, _, first = fitted(world, "joint", ("alpha", "beta", "gamma"))
    _, _, second = fitted(world, "joint", ("gamma", "alpha", "beta"))
    assert_equal(first, second)


def test_with_one_task_it_is_the_first_step_of_sequential_fine_tuning_bit_for_bit(world):
    _, joint, first = fitted(world, "joint", ("alpha",))
    _, sequential, second = fitted(world, "sequential", ("alpha",))
    assert_equal(first, second)
    curves = [[e.validation_srcc for e in learned.history] for learned in (joint, sequential)]
    assert curves[0] == curves[1]


def test_with_one_task_it_differs_from_separate_in_the_seed_of_the_initial_head_alone(
    world, dataset
):
    """Both fine-tune the whole network with the same schedule, batches and crops.

    The shared head's seed comes from the name ``shared``; on a task of that very name the two are
    bitwise the same model.
    """
    if not (world.data_root / "shared").exists():
        dataset(world.data_root / "shared", "noise", seed=8)
    _, _, joint = fitted(world, "joint", ("shared",))
    _, _, separate = fitted(world, "separate", ("shared",))
    assert torch.equal(joint["head"], separate["head/shared"])
    prefix = "normalization/shared/"
    bank = {k.removeprefix(prefix): v for k, v in separate.items() if k.startswith(prefix)}
    network = {k.removeprefix("network/"): v for k, v in joint.items() if k.startswith("network/")}
    network = {k: v for k, v in network.items() if not k.endswith("num_batches_tracked")}
    assert_equal(bank, network)
    _, _, other = fitted(world, "joint", ("alpha",))
    _, _, apart = fitted(world, "separate", ("alpha",))
    assert not torch.equal(other["head"], apart["head/alpha"])


def test_validation_is_the_mean_over_all_tasks(world):
    plan, learned, _ = fitted(world, "joint", ("alpha", "beta", "gamma"))
    assert learned.offsets == {"shared": 0.0}
    assert plan.strategy.all_at_once
    best = max(epoch.validation_srcc for epoch in learned.history)
    values = []
    for task in plan.tasks:
        part = plan.setting.images(task, "val")
        values.append(srcc(plan.strategy.heads(part.images)[:, 0], part.mos.numpy()))
    assert sum(values) / 3 == pytest.approx(best, abs=1e-12)

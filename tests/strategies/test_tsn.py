"""TSN: filters stay, normalization moves, and no task touches another's.

So do its controls, which differ from it in what a task owns of the network.
"""

import numpy as np
import pytest
import torch

from tsniqa.paths import cache_folder

BATCH = {"schedule.normalization.bn_statistics": "batch"}
TASKS = ("alpha", "beta", "gamma")


def moved(bank, task):
    return {n for n, v in bank.states[task].items() if not torch.equal(v, bank.initial[n])}


@pytest.mark.parametrize("statistics", ["kept", "batch", "first-epoch"])
@pytest.mark.parametrize("name", ["tsn", "affine-only"])
def test_of_the_network_only_normalization_moves(name, statistics, once):
    """Gamma and beta always; running statistics are the task's own where the schedule says so."""
    overrides = {"schedule.normalization.bn_statistics": statistics}
    lessons = once(name, overrides=overrides)
    bank, network = lessons.model.bank, lessons.strategy.backbone.network
    own = name == "tsn" and statistics != "kept"
    for task in ("alpha", "beta"):
        kinds = {tensor.rsplit(".", 1)[1] for tensor in moved(bank, task)}
        assert kinds == {"weight", "bias"} | ({"running_mean", "running_var"} if own else set())
    tensor = "layer1.0.bn1.weight"
    assert not torch.equal(bank.states["alpha"][tensor], bank.states["beta"][tensor])
    live = network.state_dict()  # learning leaves the initial normalization behind
    assert all(torch.equal(live[name], value) for name, value in bank.initial.items())


def test_a_second_task_leaves_the_first_ones_scores_bit_for_bit(learn, world):
    lessons = learn("tsn", ("alpha",))
    before = lessons.scores()
    lessons.go_on(world.task("beta"))
    assert np.array_equal(lessons.scores(names=["alpha"]), before)


def test_without_step_two_tsn_is_head_only(once, equal):
    tsn = once("tsn", overrides={"schedule.normalization.epochs": 0})
    control = once("head-only")
    assert equal(tsn.state, control.state, but="bank-")
    assert np.array_equal(tsn.scores(), control.scores())
    assert control.model.bank.states == {}


def test_affine_only_differs_from_tsn_by_the_statistics_alone(once):
    affine, tsn = (once(name, overrides=BATCH) for name in ("affine-only", "tsn"))
    assert not np.array_equal(affine.scores(), tsn.scores())
    kept = once("tsn", overrides={"schedule.normalization.bn_statistics": "kept"})
    assert np.array_equal(affine.scores(), kept.scores())
    assert np.array_equal(affine.distances(), tsn.distances())


def test_each_task_of_separate_has_its_own_network_and_tsns_gate(once):
    separate = once("separate")
    states = separate.model.bank.states
    name = "layer1.0.conv1.weight"
    assert not torch.equal(states["alpha"][name], states["beta"][name])
    network = separate.strategy.backbone.network.state_dict()
    assert states["alpha"].keys() == {n for n in network if not n.endswith("num_batches_tracked")}
    assert np.array_equal(separate.distances(), once("tsn").distances())


def orders_agree(prepare, device, order, config, data_root):
    """Learn in an order and its reverse; compare states, and filters before and after."""
    states = []
    for tasks in (order, order[::-1]):
        plan = prepare(config("tsn", tasks), data_root, device)
        before = plan.strategy.filters_fingerprint()
        for step, task in enumerate(plan.tasks):
            plan.strategy.learn(task, plan.tasks[:step])
        assert plan.strategy.filters_fingerprint() == before
        images = plan.context.images(plan.tasks[1], "test").images
        heads, distances, _ = plan.strategy.model.read(images)
        read = {"heads": torch.tensor(heads), "distances": torch.tensor(distances)}
        states.append(plan.strategy.state() | read)
    return states


@pytest.mark.slow
def test_three_drawn_tasks_in_two_orders(prepare, equal, world, tmp_path):
    order = ("mini-live", "mini-bid", "mini-kadid")
    assert equal(*orders_agree(prepare, "cpu", order, world.config, tmp_path))
    assert cache_folder("mini").is_dir()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_on_a_gpu_the_order_does_not_matter_either_and_filters_stay(prepare, equal, world):
    assert equal(*orders_agree(prepare, "cuda", TASKS, world.config, world.data_root))

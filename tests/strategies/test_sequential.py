"""One head on one network: alone, on all tasks at once, with a memory, on a memory alone."""

import numpy as np
import pytest
import torch

from tsniqa.metrics import srcc
from tsniqa.strategies.joint import Joint
from tsniqa.strategies.memory import remembered
from tsniqa.strategies.replay_shared import ReplayShared
from tsniqa.strategies.sequential import Sequential

NO_STEP_TWO = {"schedule.full.epochs": 0}
CROPS = {
    "epochs": 2, "batch": 8, "learning_rate": 0.1, "head_learning_rate": 0.1, "decay_every": 20,
    "crop": 24, "bn_statistics": "kept",
}  # fmt: skip


def head(lessons):
    return lessons.model.heads["shared"].weight.detach()


def test_with_no_step_two_the_network_stays_and_the_head_goes_on_from_task_to_task(learn, world):
    lessons = learn("sequential", overrides=NO_STEP_TWO)
    assert {epoch.step for one in lessons.results for epoch in one.history} == {"head"}
    assert lessons.strategy.filters_fingerprint() == world.backbone().filters_fingerprint()
    again, first = learn("sequential", (), overrides=NO_STEP_TWO), learn(
        "sequential", ("alpha",), overrides=NO_STEP_TWO
    )  # fmt: skip
    again.model.heads = first.model.heads
    again.go_on(world.task("beta"))
    assert torch.equal(head(again), head(lessons))


class TestJoint:
    def test_it_differs_from_separate_in_the_seed_of_the_initial_head_alone(
        self, learn, equal, world, dataset
    ):
        """Both fine-tune the whole network with the same schedule, batches and crops.

        The shared head's seed comes from the name ``shared``; on a task of that very name the two
        are bitwise the same model.
        """
        if not (world.data_root / "shared").exists():
            dataset(world.data_root / "shared", "noise", seed=8)
        joint, separate = (learn(name, ("shared",)).state for name in ("joint", "separate"))
        but = ("gate/", "analytic/", "heads/shared/level")
        assert equal(joint, separate, but=but)
        other, apart = (learn(name, ("alpha",)).state for name in ("joint", "separate"))
        assert not torch.equal(other["heads/shared/weight"], apart["heads/alpha/weight"])

    @pytest.mark.parametrize("name", ["joint", "unique"])
    def test_validation_is_the_mean_over_all_tasks(self, name, learn):
        lessons = learn(name, ("alpha", "beta", "gamma"))
        history = lessons.results[0].history
        values = []
        for task in lessons.tasks:
            part = lessons.context.images(task, "val")
            values.append(srcc(lessons.model.read(part.images)[0][:, 0], part.mos.numpy()))
        assert np.mean(values) == pytest.approx(history[-1].validation_srcc, abs=1e-12)


class TestReplay:
    @pytest.mark.parametrize("strategy", ["replay-shared", "replay-multihead"])
    def test_step_two_learns_from_each_memory_as_a_source_of_its_own(
        self, strategy, learn, world, monkeypatch
    ):
        lessons, given = learn(strategy, ("beta", "alpha"), memory=20), {}
        as_sources = type(lessons.strategy).as_sources

        def watch(self, told, part, stored=False):
            given[part, stored] = told
            return as_sources(self, told, part, stored)

        monkeypatch.setattr(type(lessons.strategy), "as_sources", watch)
        lessons.go_on(world.task("gamma"))
        train, validation = given["train", False], given["val", False]
        assert [one.task.name for one in train] == ["gamma", "alpha", "beta"]
        assert [len(one.task.part("train")) for one in train] == [16, 10, 10]
        assert {one.counted_as or one.task.name for one in train} == {"gamma"}
        assert [one.task.name for one in validation] == ["gamma"]
        heads = lessons.model.heads
        assert all(one.head is heads.get(one.task.name, heads.get("shared")) for one in train)

    @pytest.mark.parametrize("shown", ["features", "crops"])
    def test_step_one_replays_too_with_a_shared_head(self, learn, shown):
        own = {"overrides": NO_STEP_TWO | ({"schedule.head": CROPS} if shown == "crops" else {})}
        plain, lessons = (learn(one, **own) for one in (Sequential, ReplayShared))
        assert not torch.equal(head(lessons), head(plain))
        assert lessons.strategy.filters_fingerprint() == plain.strategy.filters_fingerprint()


class TestGDumb:
    def joint(self, context, tasks):
        strategy = Joint(context)
        strategy.learn(tasks[-1], tasks[:-1])
        return strategy.state()

    @pytest.mark.parametrize("memory", [20, 1000])
    def test_it_is_joint_learning_on_the_memory(self, learn, equal, memory):
        lessons = learn("gdumb", ("gamma", "alpha"), memory=memory)
        kept = remembered(lessons.context, lessons.tasks)
        assert equal(lessons.state, self.joint(lessons.context, kept))
        whole = self.joint(lessons.context, lessons.tasks)
        assert equal(lessons.state, whole) == (memory == 1000)

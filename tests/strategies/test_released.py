"""Habits of the released code between the steps and the tasks, and the penalty of heads."""

import pytest
import torch

from tsniqa.strategies import base

STEPS = ("normalization", "full")
NOTHING = {f"schedule.{step}.epochs": 0 for step in ("head", *STEPS)}


def released(*habits, **overrides):
    return {f"schedule.released.{habit}": True for habit in habits} | overrides


@pytest.fixture
def fits(monkeypatch):
    """Every call of the loop: its step, schedule, sources, what learns, and where it starts."""
    calls, fit = [], base.fit

    def watch(step, schedule, backbone, train, validation, seed, learning):
        start = {source.head: source.head.weight.detach().clone() for source in train}
        adam = {k: dict(v) for k, v in (learning.adam or {}).items()}
        calls.append((step, schedule, train, learning, start, adam))
        return fit(step, schedule, backbone, train, validation, seed, learning)

    monkeypatch.setattr(base, "fit", watch)
    return calls


@pytest.mark.parametrize("shared", [False, True])
def test_all_heads_start_from_one_draw_or_each_from_its_own(learn, shared):
    overrides = released(*["shared_initial_head"] * shared) | NOTHING
    heads = learn("tsn", ("alpha", "beta", "gamma"), overrides=overrides).model.heads
    weights = {tuple(head.weight.tolist()) for head in heads.values()}
    assert len(weights) == (1 if shared else 3)
    once = learn("sequential", ("alpha",), overrides=overrides).model.heads["shared"]
    assert (tuple(once.weight.tolist()) in weights) == shared


@pytest.mark.parametrize("carried", [False, True])
def test_step_two_goes_on_with_the_heads_moments_of_step_one(learn, fits, carried):
    learn(
        "tsn", overrides=released(*["carried_adam"] * carried, **{"schedule.head.weight_decay": 0})
    )
    assert [step for step, *_ in fits] == ["head", "images"] * 2
    for task in (0, 1):
        (_, first, _, learning, _, before), (_, _, (source,), _, _, state) = fits[2 * task :][:2]
        assert before == {}
        assert (learning.adam is not None) == carried
        if not carried:
            assert state == {}
            continue
        (known,) = state.values()
        assert state.keys() == {source.head.weight}
        assert known["exp_avg"].any()
        assert known["step"] == first.epochs * 2  # 16 images in batches of 8


@pytest.mark.parametrize(
    ("name", "steps"),
    [
        ("sequential", [["head", "images"], ["images"], ["images"]]),
        ("replay-shared", [["head", "images"], ["images"], ["images"]]),
        ("gdumb", [["head", "images"]] * 3),  # starts anew after every task
        ("multihead", [["head", "images"]] * 3),
        ("tsn", [["head", "images"]] * 3),
        ("joint", [["head", "images"]]),
        ("unique", [["head", "images"]]),
    ],
)
def test_one_head_for_all_is_warmed_up_at_its_first_task_alone(learn, name, steps):
    overrides = released("one_warm_up", **{"schedule.head.epochs": 1})
    lessons = learn(name, ("alpha", "beta", "gamma"), overrides=overrides)
    shown = [list(dict.fromkeys(e.step for e in one.history)) for one in lessons.results]
    assert shown == steps


class TestThePenaltyOfHeads:
    CANDIDATES = (1e-4, 3.0)

    def learn_one(self, learn, name="tsn", **changes):
        overrides = {"schedule.head.weight_decay": list(self.CANDIDATES)} | changes
        return learn(name, ("alpha",), overrides=overrides)

    def test_step_two_holds_the_head_by_what_was_chosen_in_step_one(self, learn, fits):
        self.learn_one(learn)
        *tried, (step, schedule, _, warm, _, _), (last, _, _, fine, _, _) = fits
        assert (step, last, len(tried)) == ("head", "images", 2 * 5)
        assert warm.head_decay == fine.head_decay in self.CANDIDATES
        assert {one.head_decay for _, _, _, one, _, _ in tried} == set(self.CANDIDATES)
        # Which is not the schedule's for the network.
        assert schedule.weight_decay == self.CANDIDATES
        assert fits[-1][1].weight_decay == 0

    def test_later_tasks_without_step_one_keep_the_first_choice(self, learn, fits):
        overrides = {"schedule.head.weight_decay": list(self.CANDIDATES)}
        lessons = learn(
            "sequential", ("alpha", "beta"), overrides=released("one_warm_up", **overrides)
        )
        held = [one.head_decay for step, _, _, one, _, _ in fits if step == "images"]
        assert held[0] in self.CANDIDATES
        assert held == [held[0], held[0]]
        assert lessons.state["carried/penalty"].item() == held[0]  # for a run that goes on

    def test_a_single_penalty_is_the_schedules_and_nothing_is_tried(self, learn, fits):
        learn("tsn", ("alpha",), overrides={"schedule.head.weight_decay": 0.01})
        assert [(step, one.head_decay) for step, _, _, one, _, _ in fits] == [
            ("head", None),
            ("images", None),
        ]

    @pytest.mark.parametrize("name", ["tsn", "joint", "replay-multihead", "unique", "lwf"])
    def test_trying_leaves_heads_companions_and_images_as_they_were(self, learn, fits, name):
        """Every trial starts from the initial head, and learns copies of it alone."""
        lessons = self.learn_one(learn, name)
        *tried, (_, _, final, _, start, _), _ = fits
        initial = list(start.values())
        heads = {source.head for source in final}
        for _, _, sources, learning, begun, _ in tried:
            assert heads.isdisjoint(begun)
            assert all(torch.equal(*both) for both in zip(begun.values(), initial, strict=True))
            assert not learning.companions
            assert not learning.parameters
            assert learning.adam is None
            for source in sources:
                assert 0 < len(source.features) == len(source.images.mos) < 16
        for source in final:
            whole = lessons.context.images(lessons.tasks[0], "train")
            assert torch.equal(source.images.mos, whole.mos)
            assert source.images.images is whole.images

    def test_the_same_head_is_learned_as_with_the_chosen_penalty_alone(self, learn, fits, equal):
        lessons = self.learn_one(learn, "head-only")
        chosen = fits[-1][3].head_decay
        again = learn("head-only", ("alpha",), overrides={"schedule.head.weight_decay": chosen})
        assert equal(again.state, lessons.state)

"""How long a run will take: counted passes times measured speed."""

import pytest

from tsniqa.study import estimate
from tsniqa.study.estimate import (
    announcement,
    crops_an_epoch,
    estimated_seconds,
    in_words,
    measured_speed,
)

SIZE = 32 * 32  # pixels of an image of the tiny tasks
TRAIN, VAL, TEST = 16, 10, 6


def test_counts_the_passes_of_every_step(world):
    plan = world.plan("tsn", ("alpha", "beta"))
    # Per task: reference features of train and val, train again after learning, all test images by
    # the new head; step two shows 2 x 16 crops of 24 x 24 and validates 3 times.
    scored = (2 * TRAIN + VAL) * SIZE + 2 * TEST * SIZE + 3 * VAL * SIZE
    learned = 2 * TRAIN * 24 * 24
    distances = 2 * TEST * SIZE
    assert estimated_seconds(plan, 1.0, 0.0) == 2 * scored + distances
    assert estimated_seconds(plan, 0.0, 1.0) == 2 * learned


def test_without_a_step_two_nothing_is_learned_on_images(world):
    plan = world.plan("head-only", ("alpha",))
    assert estimated_seconds(plan, 0.0, 1.0) == 0
    assert estimated_seconds(plan, 1.0, 0.0) == (2 * TRAIN + VAL + 2 * TEST) * SIZE


def test_a_step_one_on_crops_counts_as_forward_passes(world):
    crops = world.plan("tsn", ("alpha",)).preset.schedule.normalization.model_dump()
    plan = world.plan(
        "head-only", ("alpha",), overrides={"schedule.head": crops | {"pairs": {"alpha": 50}}}
    )
    plain = world.plan("head-only", ("alpha",))
    more = estimated_seconds(plan, 1.0, 0.0) - estimated_seconds(plain, 1.0, 0.0)
    assert more == 2 * 100 * 24 * 24 + 3 * VAL * SIZE


def test_joint_scores_the_tests_once(world):
    joint, sequential = (world.plan(name, ("alpha", "beta")) for name in ("joint", "sequential"))
    difference = estimated_seconds(sequential, 1.0, 0.0) - estimated_seconds(joint, 1.0, 0.0)
    assert difference == 2 * 2 * TEST * SIZE


def test_pairs_show_two_crops_each(world):
    step = world.plan().preset.schedule.normalization
    assert crops_an_epoch(step, "alpha", 16) == 16
    assert crops_an_epoch(step.model_copy(update={"pairs": 7}), "alpha", 16) == 14


def test_the_speed_is_measured_and_leaves_the_network_frozen(world):
    backbone = world.backbone()
    scoring, learning = measured_speed(backbone)
    assert scoring > 0
    assert learning > 0
    assert not any(parameter.requires_grad for parameter in backbone.network.parameters())
    assert all(parameter.grad is None for parameter in backbone.network.parameters())


def test_is_announced_in_one_line(world, monkeypatch):
    monkeypatch.setattr(estimate, "measured_speed", lambda backbone: (1e-4, 0.0))
    line = announcement(world.plan("head-only", ("alpha",)))
    assert line.endswith("1 tasks, 32 images, about 6 s on cpu (from two measured batches)")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "1 s"),
        (89, "89 s"),
        (100, "2 minutes"),
        (7000, "117 minutes"),
        (7300, "2 h 02 min"),
        (40_000, "11 h 07 min"),
    ],
)
def test_durations_are_said_as_people_say_them(seconds, words):
    assert in_words(seconds) == words

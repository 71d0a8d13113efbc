"""Schedules: which epochs use batch statistics, pairs a task, another rate, what is refused."""

import pytest
from pydantic import ValidationError

from tsniqa.errors import ConfigError
from tsniqa.training.schedules import FinetuneSchedule, HeadSchedule, Released, Schedule

HEAD = {"epochs": 5, "batch": 16, "learning_rate": 0.1, "decay_every": 10}
CROPS = HEAD | {"head_learning_rate": 0.2, "crop": 24, "bn_statistics": "kept"}


@pytest.mark.parametrize(
    ("statistics", "expected"),
    [
        ("kept", [False, False, False]),
        ("batch", [True, True, True]),
        ("first-epoch", [True, False, False]),
    ],
)
def test_the_epochs_that_standardise_by_batches(statistics, expected):
    schedule = FinetuneSchedule(**CROPS | {"bn_statistics": statistics})
    assert [schedule.uses_batch_statistics(epoch) for epoch in (1, 2, 3)] == expected


def test_only_step_one_on_features_takes_several_penalties():
    assert HeadSchedule(**HEAD, weight_decay=[0.0, 1e-4]).weight_decay == (0.0, 1e-4)
    for decay in ([1e-4, 1e-3], -1.0):
        with pytest.raises(ValidationError, match="weight_decay"):
            FinetuneSchedule(**CROPS, weight_decay=decay)


def test_another_rate_is_that_of_the_network_in_both_kinds_of_step_two():
    schedule = Schedule(head=HEAD, normalization=CROPS, full=CROPS | {"learning_rate": 0.01})
    changed = schedule.at_rate(0.5)
    assert (changed.normalization.learning_rate, changed.full.learning_rate) == (0.5, 0.5)
    assert changed.normalization.head_learning_rate == 0.2
    assert (changed.head, changed.released) == (schedule.head, Released())
    assert schedule.at_rate(None) == schedule


class TestPairsPerTask:
    def test_one_number_none_or_a_number_a_task(self):
        assert HeadSchedule(**HEAD, pairs=None).pairs_of("alpha") is None
        assert HeadSchedule(**HEAD, pairs=7).pairs_of("alpha") == 7
        assert HeadSchedule(**HEAD, pairs={"alpha": 3, "beta": 5}).pairs_of("beta") == 5

    def test_a_task_without_a_number_is_named(self):
        with pytest.raises(ConfigError, match=r"no number for task 'gamma'.*only for alpha, beta"):
            HeadSchedule(**HEAD, pairs={"alpha": 3, "beta": 5}).pairs_of("gamma")

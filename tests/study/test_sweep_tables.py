"""What a sweep says: numbers, their noise, and the choice."""

import numpy as np
import pytest

from tsniqa.study import sweep_tables
from tsniqa.study.sweep import BOTH_STEPS, FIRST_STEP, Candidate, Sweep, SweepRecord, Trial
from tsniqa.study.sweep_tables import (
    candidate_table,
    choice_table,
    standard_error,
    trial_results,
    weight_grid,
)

CANDIDATES = (
    Candidate(name="alone", strategy="head-only"),
    Candidate(name="as it is"),
    Candidate(name="faster", overrides={"schedule.normalization.learning_rate": 0.5}),
)


def trial(candidate, srcc, tasks=("a", "b")):
    return Trial(
        candidate=candidate, tasks=tasks, run_id=candidate, srcc=srcc, curve=[], seconds=90
    )


def alone(candidate, task, best):
    return trial(candidate, {FIRST_STEP: {task: best - 0.1}, BOTH_STEPS: {task: best}}, (task,))


@pytest.fixture
def schedules():
    fields = {"preset": "smoke", "tasks": ("a", "b"), "each_task_alone": True}
    values = {"faster": (0.6, 0.8), "alone": (0.8, 0.9), "as it is": (0.7, 0.7)}
    trials = [
        alone(name, task, value)
        for name, both in values.items()
        for task, value in zip("ab", both, strict=True)
    ]
    return SweepRecord(sweep=Sweep(candidates=CANDIDATES, **fields), trials=trials)


def weights(values, strategies=("lwf",), readout="gated"):
    """A record with mean SRCC at lwf's weights 1, 10 and 100: 0.1, 1 and 10 times the published."""
    sweep = Sweep(preset="smoke", tasks=("a", "b"), strategies=strategies, factors=(0.1, 1, 10))
    trials = [
        trial(
            f"{strategies[0]}, weight {weight}",
            {readout: {"a": v - 0.1, "b": v + 0.1}, "oracle": {"a": 0.9, "b": 0.9}},
        )
        for weight, v in values.items()
    ]
    return SweepRecord(sweep=sweep, trials=trials)


WHOLE = {1: 0.5, 10: 0.4, 100: 0.3}


def test_the_standard_error_is_that_of_the_formula():
    assert standard_error(0.6, 17) == pytest.approx(0.64 / 4)
    assert standard_error(1.0, 10) == 0


def test_trials_are_listed_in_the_order_of_the_sweep(schedules):
    table = trial_results(schedules)
    assert table["candidate"].drop_duplicates().tolist() == [one.name for one in CANDIDATES]
    first = table[table["judged"]].iloc[0]
    assert (first["readout"], first["task"], first["srcc"]) == (BOTH_STEPS, "a", 0.8)
    assert first["seconds"] == 90
    lwf = trial_results(weights(WHOLE))
    assert lwf.loc[lwf["judged"], ["factor", "weight"]].iloc[0].tolist() == [0.1, 1]


def test_candidates_are_laid_out_with_mean_and_what_they_change(schedules):
    table = candidate_table(schedules)
    assert table.loc["alone", "mean"] == pytest.approx(0.85)
    assert table["differs by"].tolist() == [
        "strategy head-only",
        "nothing",
        "schedule.normalization.learning_rate = 0.5",
    ]
    unfinished = schedules.model_copy(update={"trials": schedules.trials[:-1]})
    assert np.isnan(candidate_table(unfinished).loc["as it is", "mean"])


def test_the_highest_mean_is_chosen_for_every_strategy(schedules):
    table = choice_table(schedules).set_index("strategy")
    assert table["candidate"].to_dict() == {"head-only": "alone", "tsn": "as it is"}
    assert table["the preset has it"].all()
    assert not table["at the edge"].any()
    faster = schedules.model_copy(
        update={"trials": [*schedules.trials[2:], *(alone("faster", t, 0.9) for t in "ab")]}
    )
    row = choice_table(faster).set_index("strategy").loc["tsn"]
    assert (row["candidate"], row["the preset has it"]) == ("faster", False)
    assert choice_table(schedules.model_copy(update={"trials": []})).empty


def test_the_grid_holds_means_over_tasks_of_what_each_strategy_is_judged_by():
    record = weights(WHOLE, ("lwf", "icarl-v2"))
    table = weight_grid(record)
    assert table.loc["lwf"].tolist() == pytest.approx([0.5, 0.4, 0.3])
    assert table.loc["icarl-v2"].isna().all()
    assert weight_grid(record, "oracle").loc["lwf", 1] == pytest.approx(0.9)
    half = weights({1: 0.6}, ("icarl-v2",), "half")
    assert np.isnan(weight_grid(half, "gated").to_numpy(dtype=float)).all()


@pytest.mark.parametrize(("present", "expected"), [({"lwf": 1.0}, True), ({}, False)])
def test_a_weight_is_chosen_with_its_gain(present, expected, monkeypatch):
    class Preset:
        tasks, weights = (), present

    monkeypatch.setattr(sweep_tables, "load_preset", lambda name: Preset)
    (row,) = choice_table(weights(WHOLE)).to_dict("records")
    assert (row["published weight"], row["chosen weight"]) == (10, 1)
    assert row["gain"] == pytest.approx(0.1)
    assert row["at the edge"]
    assert row["the preset has it"] == expected


@pytest.mark.parametrize(
    ("values", "chosen"),
    [
        ({1: 0.5, 10: 0.5, 100: 0.5}, [10]),  # of equals the one nearest to the published one
        ({1: np.nan, 10: 0.4, 100: 0.3}, [10]),  # constant predictions
        ({1: 0.5, 10: 0.4}, []),  # unfinished
    ],
)
def test_what_is_chosen_of_equal_missing_and_untried_weights(values, chosen):
    table = choice_table(weights(values))
    assert ([] if table.empty else table["chosen weight"].tolist()) == chosen

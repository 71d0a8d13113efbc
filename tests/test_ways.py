"""Strategies side by side: ways, means over seeds, paired differences."""

from dataclasses import replace

import numpy as np
import pytest

from tsniqa import tables, ways
from tsniqa.metrics import paired_interval
from tsniqa.ways import (
    COMPARED,
    LOWER,
    MEAN,
    TOLD,
    UPPER,
    Difference,
    Way,
    best_ways,
    comparison_table,
    difference_table,
    differences,
    range_table,
)

ALL = ("tsn", "head-only", "sequential", "joint", "separate")


@pytest.fixture(scope="module")
def runs(finished):
    return {strategy: [finished(strategy)] for strategy in ALL}


def reseeded(record, seed, shift=0.0):
    """Return a record with another seed whose correlations and draws are shifted."""
    tables.bootstrap(record, record.uses[0], record.order[0])  # fills draws
    config = record.config.model_copy(update={"seed": seed})
    return replace(
        record,
        description=record.description.model_copy(update={"config": config}),
        correlations=record.correlations + shift,
        draws=record.draws + np.float32(shift),
        cache={},
    )


def test_bounds_are_told_apart_from_what_competes():
    assert Way("joint", "single").role == UPPER
    assert Way("unique", "single").role == UPPER
    assert Way("separate", "oracle").role == UPPER
    assert Way("tsn", "oracle").role == TOLD
    assert Way("separate", "gated").role == COMPARED
    assert Way("sequential", "single").role == LOWER
    assert Way("tsn", "gated").label == "tsn gated"
    assert Way("joint", "single").label == "joint"


def test_all_uses_of_tsn_and_gate_and_oracle_of_others_are_shown_bounds_first(runs):
    labels = [way.label for way in ways.ways(runs)]
    assert labels[:2] == ["joint", "separate oracle"]
    assert labels[-1] == "sequential"
    assert set(labels) == {
        *(f"tsn {use}" for use in ("gated", "latest", "oracle", "hard", "uniform", "centred")),
        *(f"head-only {use}" for use in ("gated", "oracle")),
        *(f"separate {use}" for use in ("gated", "oracle")),
        "sequential",
        "joint",
    }
    assert ways.ways({"tsn": []}) == []


def test_figures_show_every_strategy_as_it_is_meant_and_the_oracle_of_tsn(runs):
    assert {way.label for way in ways.main_ways(runs)} == {
        "joint",
        "separate oracle",
        "tsn oracle",
        "tsn gated",
        "head-only gated",
        "sequential",
    }


def test_the_table_holds_what_the_records_say(runs):
    table = comparison_table(runs)
    record = runs["tsn"][0]
    row = table.loc["tsn gated"]
    assert row["beta"] == tables.srcc(record, "gated", record.order, "beta")
    assert row["mSRCC"] == tables.summary(record, "gated")["mSRCC"]
    assert row["learnable"] == record.description.parameters.learnable_per_task
    assert row["seeds"] == 1
    assert table.loc["tsn oracle", "mSI"] == 1
    assert np.isnan(table.loc["joint", "mPI"]), "joint has no intermediate states"
    assert not np.isnan(table.loc["joint", "mean SRCC"])


def test_seeds_are_averaged_and_their_range_is_shown(finished):
    record = finished("tsn")
    two = {"tsn": [record, reseeded(record, 1, shift=0.25)]}
    first = comparison_table({"tsn": [record]}).loc["tsn gated"]
    table = comparison_table(two)
    assert table.loc["tsn gated", "alpha"] == pytest.approx(first["alpha"] + 0.125)
    assert table.loc["tsn gated", "seeds"] == 2
    low, high = range_table(two).loc["tsn gated", "alpha"].split(" to ")
    assert float(high) - float(low) == pytest.approx(0.25, abs=1e-3)


def test_a_seed_without_a_value_leaves_no_mean_and_no_range(finished):
    record = finished("tsn")
    two = {"tsn": [record, reseeded(record, 1, shift=np.nan)]}
    assert np.isnan(comparison_table(two).loc["tsn gated", "alpha"])
    assert range_table(two).loc["tsn gated", "alpha"] == "–"


def test_bounds_never_count_as_best(runs):
    table = comparison_table(runs)
    table["alpha"] = [float(role == UPPER) for role in table["role"]]
    competing = table.index[table["role"].isin((COMPARED, LOWER))].tolist()
    assert best_ways(table, "alpha") == competing, "all of them tie at 0"
    table["alpha"] = np.nan
    assert best_ways(table, "alpha") == []


def test_a_difference_is_that_of_the_srcc_with_the_interval_of_the_paired_draws(runs):
    tsn, joint = runs["tsn"][0], runs["joint"][0]
    found = differences(runs, Way("tsn", "gated"), Way("joint", "single"))
    assert [one.task for one in found] == ["alpha", "beta", "gamma", MEAN]
    expected = tables.srcc(tsn, "gated", tsn.order, "beta") - tables.srcc(
        joint, "single", joint.order, "beta"
    )
    assert found[1].value == pytest.approx(expected)
    interval = paired_interval(
        tables.bootstrap(tsn, "gated", "beta"), tables.bootstrap(joint, "single", "beta")
    )
    assert (found[1].low, found[1].high) == pytest.approx(interval)
    assert found[-1].value == pytest.approx(np.mean([one.value for one in found[:-1]]))


def test_a_way_does_not_differ_from_itself(runs):
    for one in differences(runs, Way("tsn", "gated"), Way("tsn", "gated")):
        assert (one.value, one.low, one.high) == (0, 0, 0)
        assert one.verdict == "equal"


def test_a_constant_advantage_is_resolved_over_any_number_of_seeds(finished):
    record = finished("tsn")
    better = replace(reseeded(record, 0, 0.1), folder=None)
    both = {
        "tsn": [record, reseeded(record, 1)],
        "other": [better, reseeded(record, 1, shift=0.3)],
    }
    for one in differences(both, Way("other", "gated"), Way("tsn", "gated")):
        assert (one.value, one.low, one.high) == pytest.approx((0.2, 0.2, 0.2), abs=1e-6)
        assert one.verdict == "higher"


def test_only_seeds_that_both_have_are_compared(finished):
    record = finished("tsn")
    partly = {
        "tsn": [record, reseeded(record, 1)],
        "other": [reseeded(record, 1, 0.25), reseeded(record, 7, 9.0)],
    }
    found = differences(partly, Way("other", "gated"), Way("tsn", "gated"))
    assert found[0].value == pytest.approx(0.25)
    assert differences({"tsn": [record]}, Way("other", "gated"), Way("tsn", "gated")) == []


def test_a_single_task_has_no_mean_over_tasks(finished):
    runs = {"tsn": [finished("tsn", ("alpha",))]}
    found = differences(runs, Way("tsn", "oracle"), Way("tsn", "gated"))
    assert [one.task for one in found] == ["alpha"]


def test_verdicts_follow_the_interval():
    assert Difference("a", "b", "t", 0.1, 0.01, 0.2).verdict == "higher"
    assert Difference("a", "b", "t", -0.1, -0.2, -0.01).verdict == "lower"
    assert Difference("a", "b", "t", 0.1, -0.01, 0.2).verdict == "not resolved"
    assert Difference("a", "b", "t", 0.0, 0.0, 0.0).verdict == "equal"
    assert Difference("a", "b", "t", 0.0, -0.1, 0.1).verdict == "not resolved"
    assert Difference("a", "b", "t", 0.1, np.nan, np.nan).verdict == "not resolved"
    table = difference_table([Difference("a", "b", "t", 0.1, 0.01, 0.2)])
    assert table.loc[0, "first is"] == "higher"

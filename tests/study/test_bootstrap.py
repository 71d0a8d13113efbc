"""Differences on the same test images: values, paired and simultaneous intervals, verdicts."""

from dataclasses import replace

import numpy as np
import pytest

from tsniqa.errors import RecordError
from tsniqa.metrics import paired_interval
from tsniqa.study import evaluation as tables
from tsniqa.study.bootstrap import (
    MEAN,
    Difference,
    difference_table,
    differences,
    outcome,
    simultaneous,
)
from tsniqa.study.ways import Way

GATED = Way("tsn", "gated")


@pytest.fixture(scope="module")
def runs(finished):
    return {name: [finished(name)] for name in ("tsn", "head-only", "sequential", "joint")}


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


def test_a_constant_advantage_is_resolved_over_any_number_of_seeds(finished, reseeded):
    record = finished("tsn")
    better = replace(reseeded(record, 0, 0.1), folder=None)
    both = {
        "tsn": [record, reseeded(record, 1)],
        "other": [better, reseeded(record, 1, shift=0.3)],
    }
    for one in differences(both, Way("other", "gated"), Way("tsn", "gated")):
        assert (one.value, one.low, one.high) == pytest.approx((0.2, 0.2, 0.2), abs=1e-6)
        assert one.verdict == "higher"


def test_only_seeds_that_both_have_are_compared(finished, reseeded):
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
    assert Difference("a", "b", "t", 0.1, 0.01, 0.2, (0.3, 0.1)).verdict == "higher"
    assert Difference("a", "b", "t", 0.1, 0.01, 0.2, (0.3, -0.1)).verdict == "not resolved"
    assert Difference("a", "b", "t", -0.1, -0.2, -0.1, (-0.3, 0.1)).verdict == "not resolved"
    table = difference_table([Difference("a", "b", "t", 0.1, 0.01, 0.2)])
    assert table.loc[0, "first is"] == "higher"


def draws_of(runs, way):
    return np.mean(
        [
            tables.bootstrap(runs[way.strategy][0], way.use, task)
            for task in ["alpha", "beta", "gamma"]
        ],
        axis=0,
    )


def test_simultaneous_intervals_follow_an_independent_slow_computation(runs):
    others = [Way("joint", "single"), Way("sequential", "single"), Way("tsn", "latest")]
    found = simultaneous(runs, others, GATED, [MEAN])
    columns = [draws_of(runs, way) - draws_of(runs, GATED) for way in others]
    largest = [
        max(abs(column[row] - column.mean()) / column.std(ddof=1) for column in columns)
        for row in range(len(columns[0]))
    ]
    quantile = np.quantile(largest, 0.95)
    for one, way, column in zip(found, others, columns, strict=True):
        assert (one.first, one.task) == (way.label, MEAN)
        half = quantile * column.std(ddof=1)
        assert (one.low, one.high) == pytest.approx((one.value - half, one.value + half), abs=1e-6)


def test_more_comparisons_never_narrow_an_interval(runs):
    few = [Way("joint", "single")]
    many = [*few, Way("sequential", "single"), Way("head-only", "gated"), Way("tsn", "uniform")]
    narrow = simultaneous(runs, few, GATED, [MEAN])[0]
    wide = simultaneous(runs, many, GATED, [MEAN])[0]
    assert wide.value == narrow.value
    assert wide.high - wide.low >= narrow.high - narrow.low


def test_equal_predictions_are_equal_and_widen_nothing(runs):
    alone = simultaneous(runs, [Way("joint", "single")], GATED, [MEAN])
    both = simultaneous(runs, [Way("joint", "single"), GATED], GATED, [MEAN])
    assert both[0] == alone[0]
    assert both[1].verdict == "equal"


def test_every_pair_of_way_and_task_has_its_interval(runs):
    others = [Way("joint", "single"), Way("sequential", "single")]
    found = simultaneous(runs, others, GATED, ["alpha", "gamma"])
    assert [(one.first, one.task) for one in found] == [
        (way.label, task) for way in others for task in ("alpha", "gamma")
    ]
    assert simultaneous(runs, [], GATED, [MEAN]) == []


def with_draws(record, change):
    """Copy a record with some of its bootstrap draws changed."""
    draws = tables.bootstrap_table(record, record.mos)
    change(draws)
    return replace(record, draws=draws, cache={})


def test_resamples_without_srcc_are_left_out(finished, runs):
    def spoil(draws):
        draws[..., :10] = np.nan

    spoiled = {**runs, "other": [with_draws(finished("tsn"), spoil)]}
    others = [Way("other", "gated"), Way("joint", "single")]
    found = simultaneous(spoiled, others, GATED, [MEAN])
    assert found[0].verdict == "equal"
    assert np.isfinite([found[1].low, found[1].high]).all()


def test_without_any_draws_nothing_is_resolved(finished, runs):
    spoiled = {**runs, "other": [with_draws(finished("tsn"), lambda draws: draws.fill(np.nan))]}
    (found,) = simultaneous(spoiled, [Way("other", "gated")], GATED, [MEAN])
    assert found.verdict == "not resolved"


def test_the_outcome_names_every_way_by_its_verdict_largest_first():
    found = [
        Difference("a", "tsn gated", MEAN, 0.1, 0.05, 0.2),
        Difference("b", "tsn gated", MEAN, 0.2, 0.1, 0.3),
        Difference("c", "tsn gated", MEAN, -0.2, -0.3, -0.1),
        Difference("d", "tsn gated", MEAN, 0.0, -0.1, 0.1),
    ]
    assert outcome(found).splitlines() == [
        "Against tsn gated, mean over tasks:",
        "",
        "- **above**: b (+0.200), a (+0.100)",
        "- **below**: c (-0.200)",
        "- **not resolved**: d (+0.000)",
    ]


def test_the_difference_of_every_seed_is_told(finished, reseeded):
    record = finished("tsn")
    both = {
        "tsn": [record, reseeded(record, 1)],
        "other": [reseeded(record, 1, shift=-0.1), reseeded(record, 0, shift=0.3)],
    }
    found = differences(both, Way("other", "gated"), GATED)
    assert found[0].by_seed == pytest.approx((-0.1, 0.3))
    assert found[0].value == pytest.approx(0.1)
    assert found[-1].by_seed == pytest.approx((-0.1, 0.3))
    assert {one.verdict for one in found} == {"not resolved"}, "the seeds disagree"
    assert difference_table(found)["by seed"][0] == "-0.100, +0.300"


def test_the_order_of_records_does_not_matter(finished, reseeded):
    records = [reseeded(finished("tsn"), seed) for seed in (0, 1, 2)]
    other = [reseeded(finished("joint"), seed) for seed in (0, 1, 2)]
    joint = Way("joint", "single")
    first = simultaneous({"tsn": records, "joint": other}, [joint], GATED, [MEAN])
    second = simultaneous({"tsn": records[::-1], "joint": other}, [joint], GATED, [MEAN])
    assert first[0][:4] == second[0][:4]
    assert (first[0].low, first[0].high) == pytest.approx((second[0].low, second[0].high))


def test_records_of_other_test_images_are_not_compared(finished):
    record = finished("tsn")
    images = record.description.test_images | {"alpha": ["another.png"] * 6}
    description = record.description.model_copy(update={"test_images": images})
    runs = {"tsn": [record], "other": [replace(record, description=description)]}
    with pytest.raises(RecordError, match="have other test images"):
        differences(runs, Way("other", "gated"), GATED)

"""Verdicts: the words follow the numbers, whichever way they fall."""

from dataclasses import replace

import numpy as np
import pytest

from tsniqa.study import evaluation as tables
from tsniqa.study import verdicts
from tsniqa.study.bootstrap import MEAN, Difference
from tsniqa.study.verdicts import (
    NOT_RUN,
    count_sentence,
    expectations,
    gated_beats_sequential,
    mean_drop,
    oracle_is_near_separate,
    oracle_is_stable,
    separate_bounds_plasticity,
    sequential_forgets,
    sequential_is_less_stable,
    verdict_table,
)


@pytest.fixture
def difference(monkeypatch):
    """Make every comparison come out as given."""

    def set_to(value, low, high):
        found = Difference("first", "second", MEAN, value, low, high)
        monkeypatch.setattr(verdicts, "differences", lambda *arguments: [found])

    return set_to


RUNS = {"tsn": ["a record"], "sequential": ["a record"], "separate": ["a record"]}


def with_final(record, values):
    """Return a copy of a sequential record with given SRCC after the last task."""
    correlations = record.correlations.copy()
    correlations[-1, 0, :, 0] = values
    return replace(record, correlations=correlations)


def test_what_was_not_run_gets_no_verdict():
    assert [one.verdict for one in expectations({})] == [NOT_RUN] * 6
    table = verdict_table(expectations({}))
    assert table.columns.tolist() == ["expectation", "measured", "verdict"]


def test_tsn_with_its_oracle_head_is_exactly_stable(finished):
    found = oracle_is_stable([finished("tsn"), finished("tsn")])
    assert found.verdict == "holds"
    assert found.measured.startswith("mSI = 1.0, 1.0")


def test_anything_below_one_is_not_exactly_stable(finished, monkeypatch):
    monkeypatch.setattr(tables, "summary", lambda *arguments: {"mSI": np.nextafter(1, 0)})
    found = oracle_is_stable([finished("tsn")])
    assert found.verdict == "does not hold"
    assert "0.9999999999999999" in found.measured


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.01, 0.2, "holds"), (-0.2, -0.01, "does not hold"), (-0.1, 0.1, "not resolved")],
)
def test_gated_against_sequential_is_judged_by_the_interval(difference, low, high, verdict):
    difference(0.1, low, high)
    found = gated_beats_sequential(RUNS)
    assert found.verdict == verdict
    assert f"95% interval {low:+.3f} to {high:+.3f}" in found.measured


def test_equal_predictions_are_not_above_each_other(difference):
    difference(0.0, 0.0, 0.0)
    assert gated_beats_sequential(RUNS).verdict == "does not hold"


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (-0.04, 0.05, "holds"),
        (0.051, 0.2, "does not hold"),
        (-0.3, -0.06, "does not hold"),
        (0.03, 0.08, "not resolved"),
        (np.nan, np.nan, "not resolved"),
    ],
)
def test_near_means_that_the_whole_interval_is_near(difference, low, high, verdict):
    difference(0.04, low, high)
    assert oracle_is_near_separate(RUNS).verdict == verdict


def test_forgetting_is_the_drop_of_earlier_tasks_between_learning_and_the_end(finished):
    record = finished("sequential")
    matrix = tables.srcc_matrix(record, "single")
    expected = ((matrix[0, 0] - matrix[2, 0]) + (matrix[1, 1] - matrix[2, 1])) / 2
    assert mean_drop(record) == pytest.approx(expected)


def test_forgetting_must_be_visible_for_every_seed(finished):
    record = finished("sequential")
    learned = tables.srcc_matrix(record, "single").diagonal()
    forgets, keeps = with_final(record, learned - 0.2), with_final(record, learned)
    assert sequential_forgets([forgets, forgets]).verdict == "holds"
    assert sequential_forgets([keeps]).verdict == "does not hold"
    assert sequential_forgets([forgets, keeps]).verdict == "not resolved"
    assert "+0.200, +0.000" in sequential_forgets([forgets, keeps]).measured


def test_one_task_cannot_be_forgotten(finished):
    assert sequential_forgets([finished("sequential", ("alpha",))]).verdict == NOT_RUN


def test_the_count_of_resolved_differences_is_told_in_words():
    found = [
        Difference("a", "b", "t1", 0.1, 0.01, 0.2),
        Difference("a", "b", "t2", 0.1, -0.01, 0.2),
        Difference("a", "b", MEAN, 0.1, 0.05, 0.2),
    ]
    sentence = count_sentence(found, "the new", "the old")
    assert "Of 2 tasks, the new is higher than the old on 1, lower on 0, equal on 0" in sentence
    assert "not resolved on 1" in sentence
    assert sentence.endswith("a minus b = +0.100 (95% interval +0.050 to +0.200).")


@pytest.fixture
def stability(monkeypatch):
    """Give every seed of TSN and of sequential fine-tuning an mSI."""

    def set_to(tsn, sequential):
        def summary(record, use):
            values = tsn if use == "gated" else sequential
            return {"mSI": values[record.config.seed]}

        monkeypatch.setattr(verdicts.tables, "summary", summary)

    return set_to


@pytest.mark.parametrize(
    ("sequential", "verdict"),
    [((0.5, 0.6), "holds"), ((0.5, 0.89), "not resolved"), ((0.88, 0.95), "does not hold")],
)
def test_stability_is_compared_seed_by_seed(sequential, verdict, stability, finished, reseeded):
    runs = {
        name: [reseeded(finished(name), seed) for seed in (0, 1)] for name in ("tsn", "sequential")
    }
    stability((0.9, 0.92), sequential)
    found = sequential_is_less_stable(runs)
    assert found.verdict == verdict
    assert f"{0.9 - sequential[0]:+.3f}, {0.92 - sequential[1]:+.3f}" in found.measured
    assert sequential_is_less_stable({"tsn": runs["tsn"]}).verdict == NOT_RUN


@pytest.mark.parametrize(
    ("tsn", "verdict"),
    [((0.64, 0.5), "holds"), ((0.67, 0.66), "does not hold"), ((0.67, 0.6), "not resolved")],
)
def test_plasticity_is_bounded_by_separate_models(tsn, verdict, monkeypatch, finished, reseeded):
    values = {"separate": (0.6, 0.6), "tsn": tsn, "lwf": (0.4, 0.4), "joint": (np.nan, np.nan)}

    def summary(record, use):
        value = values[record.config.strategy][record.config.seed]
        return {"mPI": value - 0.1 * (use != "oracle")}

    runs = {name: [reseeded(finished(name), seed) for seed in (0, 1)] for name in values}
    monkeypatch.setattr(verdicts.tables, "summary", summary)
    found = separate_bounds_plasticity(runs)
    assert found.verdict == verdict
    assert f"tsn {tsn[0] - 0.6:+.3f}" in found.measured
    assert separate_bounds_plasticity({"tsn": runs["tsn"]}).verdict == NOT_RUN

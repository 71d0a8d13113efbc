"""The headline: means over tasks with intervals, and shares of the gap, against hand-made cases."""

from dataclasses import replace

import numpy as np
import pytest

from tsniqa.metrics import interval
from tsniqa.study.bootstrap import draws
from tsniqa.study.evaluation import srcc_matrix
from tsniqa.study.headline import COLUMNS, headline


@pytest.fixture
def ends(finished, reseeded):
    """Two ends of a gap of 0.2 in every task, over two seeds."""
    record = finished("tsn")
    shifts = {"head-only": 0.0, "separate": 0.2}
    return {name: [reseeded(record, seed, by) for seed in (0, 1)] for name, by in shifts.items()}


def row(table, label):
    return table.set_index("label").loc[label]


def test_means_over_tasks_have_the_interval_of_their_draws(finished):
    record = finished("tsn")
    table = headline({"tsn": [record]})
    assert list(table) == COLUMNS
    assert set(table["readout"]) <= {"oracle", "gated", "calibrated", "set", "uniform"}
    found = row(table, "tsn gated")
    drawn = np.mean([draws(record, "gated", task) for task in record.order], axis=0)
    expected = (srcc_matrix(record, "gated")[-1].mean(), *interval(drawn))
    assert tuple(found[["mean SRCC", "mean low", "mean high"]]) == pytest.approx(expected)
    assert found["runs"] == "one run"


def test_the_weighted_mean_counts_test_images(finished, reseeded):
    record = reseeded(finished("tsn"), 0)
    names = record.test_images | {"beta": ["image.png"] * 60}
    found = row(headline({"tsn": [replace(record, test_images=names)]}), "tsn oracle")
    final = srcc_matrix(record, "oracle")[-1]
    assert found["mean SRCC"] == pytest.approx(final.mean())
    assert found["weighted SRCC"] == pytest.approx(final @ [6, 60, 6] / 72)


def test_the_share_of_the_gap_is_that_of_the_oracle_on_the_runs_that_all_have(
    finished, reseeded, ends
):
    record = finished("tsn")
    half = [reseeded(record, 1, 0.1), reseeded(record, 5, 9.0)]
    table = headline({**ends, "tsn": half})
    found = row(table, "tsn oracle")
    assert tuple(found[["share", "share low", "share high"]]) == pytest.approx((0.5,) * 3, abs=1e-3)
    assert found["note"] == ""
    assert (row(table, "separate oracle")["share"], row(table, "head-only oracle")["share"]) == (
        1,
        0,
    )
    assert np.isnan(row(table, "tsn gated")["share"]), "only the oracle has one"
    single = row(headline({**ends, "joint": [finished("joint")]}), "joint")
    assert np.isfinite(single["share"]), "a strategy with one head has that"


def test_a_share_that_does_not_exist_has_a_reason(finished, reseeded, ends):
    record = finished("tsn")
    same = {**ends, "separate": ends["head-only"], "tsn": [record]}
    found = row(headline(same), "tsn oracle")
    assert np.isnan(found[["share", "share low", "share high"]].astype(float)).all()
    assert found["note"] == "the gap's interval, 0.000 to 0.000, contains 0"
    found = row(headline({"tsn": [record], "separate": ends["separate"]}), "tsn oracle")
    assert found["note"] == "no run of head-only"
    found = row(headline({**ends, "tsn": [reseeded(record, 7)]}), "tsn oracle")
    assert found["note"] == "no run that head-only, separate have, too"

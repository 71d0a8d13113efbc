"""Variants of gates: what they say, how images share weights, and how settings are chosen."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import multivariate_normal
from sklearn.covariance import LedoitWolf

from tsniqa.errors import ConfigError, DataError
from tsniqa.metrics import srcc
from tsniqa.model.readouts import Level
from tsniqa.study.evaluation import analytic_weights, gate_weights, predictions
from tsniqa.study.gate_inputs import gate_inputs
from tsniqa.study.gates import (
    COLUMNS,
    MEAN,
    SETTING,
    SHARING,
    Setting,
    averaged,
    chosen,
    level_table,
    references,
    settings,
    shared,
    variant_rows,
    weights,
)


@pytest.fixture(scope="module")
def inputs(finished, world, tmp_path_factory):
    return gate_inputs(finished("tsn"), world.data_root, tmp_path_factory.mktemp("features"))


def test_features_are_those_that_the_record_has_and_their_rectified_counterparts(inputs):
    record = inputs.record
    assert inputs.tests["after"][0].shape == record.gate_features.shape
    np.testing.assert_allclose(inputs.tests["after"][0], record.gate_features, atol=1e-3)
    assert all((stage >= 0).all() for stage in inputs.tests["after"])
    assert all((stage < 0).any() for stage in inputs.tests["before"])
    assert {part: list(own) for part, own in inputs.features["before"].items()} == {
        part: record.names for part in ("train", "val")
    }
    np.testing.assert_array_equal(inputs.mos, record.mos)
    np.testing.assert_array_equal(inputs.own, np.repeat([0, 1, 2], 6))


def test_features_are_found_again(inputs, finished, world, tmp_path, monkeypatch):
    first = gate_inputs(finished("tsn"), world.data_root, tmp_path)
    monkeypatch.setattr("tsniqa.study.gate_inputs.tap_features", lambda *_: pytest.fail())
    again = gate_inputs(finished("head-only"), world.data_root, tmp_path)
    for tap, stages in first.tests.items():
        np.testing.assert_array_equal(stages[1], again.tests[tap][1])


def test_a_strategy_whose_heads_change_is_refused(finished, world):
    with pytest.raises(ConfigError, match=r"'sequential' has no heads that stay .* tsn, head-only"):
        gate_inputs(finished("sequential"), world.data_root, None)


def test_other_data_than_the_runs_are_refused(finished, world):
    record = finished("tsn")
    other = record.tasks["beta"].model_copy(update={"fingerprint": "other"})
    tasks = [other if task.name == "beta" else task for task in record.description.tasks]
    record = replace(record, description=record.description.model_copy(update={"tasks": tasks}))
    with pytest.raises(DataError, match=r"task 'beta' under .* is not the one of run smoke-tsn"):
        gate_inputs(record, world.data_root, None)


def test_the_published_gate_is_one_of_the_variants(inputs):
    gate = inputs.record.description.preset.gate
    setting = Setting("k-means", "after", clusters=gate.n_clusters, hardness=gate.temperature)
    expected = gate_weights(inputs.record, inputs.record.names)
    np.testing.assert_allclose(weights(inputs, setting), expected, atol=1e-3)


def test_the_gate_of_the_readout_calibrated_is_one_of_the_variants(inputs):
    gate = inputs.record.description.preset.gate
    setting = Setting("analytic", "after", "3", penalty=gate.penalty, hardness=gate.sharpness)
    for tasks in (["alpha", "beta", "gamma"], ["alpha", "gamma"]):
        expected = analytic_weights(inputs.record, tasks)
        np.testing.assert_allclose(weights(inputs, setting, tasks), expected, atol=0.02)


def test_distances_are_divided_by_the_median_of_the_tasks_own_held_out_images(inputs):
    raw = Setting("k-means", clusters=1)
    weights(inputs, raw)
    distances = -inputs.known[raw, ("alpha", "beta", "gamma")]
    weights(inputs, raw._replace(scale="median"))
    scaled = -inputs.known[raw._replace(scale="median"), ("alpha", "beta", "gamma")]
    features = inputs.features["before"]
    for column, task in enumerate(inputs.record.names):
        for stage in (0, 1):
            centre = features["train"][task][stage].astype(float).mean(axis=0)
            own = np.linalg.norm(features["val"][task][stage] - centre, axis=1)
            expected = distances[:, column, stage] / np.median(own)
            np.testing.assert_allclose(scaled[:, column, stage], expected, rtol=1e-5)


def test_a_gaussian_says_its_log_density_a_dimension(inputs):
    setting = Setting("gaussian", "after")
    weights(inputs, setting)
    found = inputs.known[setting, tuple(inputs.record.names)]
    own = inputs.features["after"]["train"]["beta"][0].astype(float)
    model = LedoitWolf().fit(own)
    density = multivariate_normal(model.location_, model.covariance_)
    tests = inputs.tests["after"][0]
    width = tests.shape[1]
    expected = (density.logpdf(tests) + width / 2 * np.log(2 * np.pi)) / width
    np.testing.assert_allclose(found[:, 1, 0], expected, rtol=1e-6)


def test_every_variant_gives_weights_and_knows_nothing_of_a_task_that_is_not_there(inputs):
    few = [one for one in settings() if one.hardness == 4 and one.clusters in (0, 4)]
    assert {one.family for one in few} == {"k-means", "gaussian", "analytic"}
    for setting in few:
        own = weights(inputs, setting)
        np.testing.assert_allclose(own.sum(axis=1), 1)
        assert (own >= 0).all()
        np.testing.assert_array_equal(weights(inputs, setting, ["beta"]), 1)


def test_images_of_a_group_share_the_mean_of_their_weights():
    own = np.array([[0.8, 0.2], [0.4, 0.6], [0.1, 0.9]])
    together = shared(own, [np.array([0, 2]), np.array([1])], "set")
    np.testing.assert_allclose(together, [[0.45, 0.55], [0.4, 0.6], [0.45, 0.55]])
    assert shared(own, [], "single") is own


def test_priors_of_a_group_draw_its_weights_together():
    own = np.array([[0.9, 0.1], [0.8, 0.2], [0.45, 0.55], [0.5, 0.5]])
    together = shared(own, [slice(None)], "set-em")
    np.testing.assert_allclose(together.sum(axis=1), 1)
    assert (together[:, 0] > own[:, 0]).all()
    assert together[2, 0] > 0.5


@given(st.lists(st.floats(0.01, 0.99), min_size=1, max_size=20))
def test_an_image_alone_shares_with_nobody(first):
    own = np.column_stack([first, 1 - np.array(first)])
    alone = [np.array([row]) for row in range(len(own))]
    np.testing.assert_allclose(shared(own, alone, "set"), own)


def test_levels_are_taken_as_they_are_or_centred_or_standardised(inputs, monkeypatch):
    monkeypatch.setattr(type(inputs.record), "level", lambda record, task: Level(0.2, 0.5))
    expected = {"raw": [0, 1], "centred": [0.2, 1], "standardised": [0.2, 0.5]}
    for levels, row in expected.items():
        np.testing.assert_array_equal(level_table(inputs, levels, ["beta"]), [row])


def test_references_are_the_readouts_of_the_record(inputs):
    keys = ["family", "levels", "readout", "task"]
    found = references(inputs).set_index(keys)["srcc"].sort_index()
    record = inputs.record
    rows = {
        "published": ("raw", "single", "gated"),
        "hard": ("raw", "single", "hard"),
        "oracle": ("raw", "single", "oracle"),
        "preset": ("standardised", "single", "calibrated"),
    }
    for family, (levels, sharing, readout) in rows.items():
        expected = predictions(record, readout, record.names)["gamma"]
        value = srcc(expected, record.mos[record.rows("gamma")])
        assert found[family, levels, sharing, "gamma"] == pytest.approx(value)
    assert found["preset", "standardised", "set", MEAN] == pytest.approx(
        found["preset", "standardised", "set"].drop(MEAN).mean()
    )


def test_a_variant_has_a_row_a_task_and_their_mean(inputs):
    setting = Setting("analytic", stages="3", penalty=0.1, hardness=8.0, levels="centred")
    for sharing in SHARING:
        table = pd.DataFrame(variant_rows(inputs, setting, sharing), columns=COLUMNS)
        assert list(table["task"]) == ["alpha", "beta", "gamma", MEAN]
        assert table[["srcc", "naming"]].iloc[-1].tolist() == pytest.approx(
            table[["srcc", "naming"]].iloc[:-1].mean().tolist()
        )


def table_of(values):
    rows = [
        (*Setting(family, hardness=hardness), "single", task, value, 0.5)
        for family in ("k-means", "gaussian", "analytic")
        for hardness, value in values.items()
        for task in ("alpha", MEAN)
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def test_the_setting_that_is_best_on_average_over_runs_is_chosen_and_of_equals_the_softest():
    table = averaged(
        [table_of({1.0: 0.5, 4.0: 0.9, 8.0: 0.6}), table_of({1.0: 0.8, 4.0: 0.1, 8.0: 0.7})]
    )
    assert table["srcc"].tolist() == pytest.approx([0.65, 0.5, 0.65] * 3)
    assert list(table.columns) == [*SETTING, "readout", "srcc", "naming"]
    assert chosen(table)["analytic"] == Setting("analytic", hardness=1.0)


def test_a_setting_is_chosen_for_both_readouts_together_or_for_one():
    single, together = (
        table_of({1.0: 0.6, 4.0: 0.5, 8.0: 0.1}),
        table_of({1.0: 0.1, 4.0: 0.5, 8.0: 0.7}),
    )
    table = averaged([single, together.assign(readout="set")])
    hardness = {
        readouts: chosen(table, readouts)["gaussian"].hardness
        for readouts in (("single",), ("set",))
    }
    assert hardness == {("single",): 1.0, ("set",): 8.0}
    assert chosen(table)["gaussian"].hardness == 4.0

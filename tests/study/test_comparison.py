"""Strategies side by side: roles, means over seeds, costs, and where records come from."""

from dataclasses import replace

import numpy as np
import pytest

from tsniqa.model.readouts import READOUTS
from tsniqa.study.comparison import (
    COMPARED,
    COMPETING,
    LOWER,
    REMEMBERS,
    TOLD,
    UPPER,
    comparison_table,
    differ,
    family,
    image_milliseconds,
    joined,
    label,
    main_pairs,
    measures_by_run,
    minutes,
    pairs,
    role,
    shared,
)
from tsniqa.study.evaluation import srcc, summary

ALL = ("tsn", "head-only", "sequential", "joint", "separate")


@pytest.fixture(scope="module")
def runs(finished):
    return {strategy: [finished(strategy)] for strategy in ALL}


def described(record, **fields):
    return replace(record, description=record.description.model_copy(update=fields))


@pytest.mark.parametrize(
    ("strategy", "readout", "expected"),
    [
        ("joint", "single", UPPER),
        ("unique", "single", UPPER),
        ("separate", "oracle", UPPER),
        ("tsn", "oracle", TOLD),
        ("separate", "gated", COMPARED),
        ("lwf", "gated", COMPARED),
        ("my own", "gated", COMPARED),
        ("sequential", "single", LOWER),
        ("multihead", "gated", LOWER),
    ],
)
def test_bounds_are_told_apart_from_what_competes(strategy, readout, expected):
    assert role(strategy, readout, {}) == expected
    assert (expected in COMPETING) == (expected in (COMPARED, LOWER))


def test_a_memory_that_holds_every_image_of_earlier_tasks_does_not_compete(finished):
    record = finished("gdumb")
    images = [task.images["train"] for task in record.description.tasks]
    # GDumb keeps the newest task in its memory, too, and learns from nothing else.
    for name, all_of_it in (("replay-shared", sum(images[:-1])), ("gdumb", sum(images))):
        for memory, expected in ((all_of_it, REMEMBERS), (all_of_it - 1, COMPARED)):
            preset = record.description.preset.model_copy(update={"memory": memory})
            assert role(name, "single", {name: [described(record, preset=preset)]}) == expected


def test_labels_name_the_readout_unless_there_is_but_one():
    assert label("tsn", "gated") == "tsn gated"
    assert label("joint", "single") == "joint"
    assert (family("lwf"), family("my own")) == ("regularisation", "other")


def test_every_readout_of_every_strategy_is_listed_bounds_first(runs):
    listed = [label(*pair) for pair in pairs(runs)]
    assert listed[:2] == ["joint", "separate oracle"]
    assert listed[-1] == "sequential"
    of_heads = {f"{name} {one}" for name in ("tsn", "head-only", "separate") for one in READOUTS}
    assert set(listed) == of_heads | {"sequential", "joint"}
    assert pairs({"tsn": []}) == []


def test_figures_show_strategies_as_their_sources_mean_them_and_the_oracle_of_tsn(finished, runs):
    more = {**runs, **{name: [finished(name)] for name in ("icarl-v2", "lwf")}}
    assert {label(*pair) for pair in main_pairs(more)} == {
        "joint",
        "separate oracle",
        "tsn oracle",
        "tsn calibrated",
        "head-only calibrated",
        "icarl-v2 half",
        "lwf calibrated",
        "sequential",
    }


def test_the_table_holds_what_the_records_say(finished, runs):
    table = comparison_table({**runs, "lwf": [finished("lwf")]})
    record = runs["tsn"][0]
    row = table.loc["tsn gated"]
    assert row["beta"] == srcc(record, "gated", record.order, "beta")
    assert row["forgetting"] == summary(record, "gated")["forgetting"]
    assert row["learnable"] == record.description.parameters.learnable_per_task
    assert row["runs"] == 1
    assert table.loc["tsn oracle", "mSI"] == 1
    assert np.isnan(table.loc["joint", "mPI"]), "joint has no intermediate states"
    assert not np.isnan(table.loc["joint", "mean SRCC"])
    assert table.loc["lwf gated", "weight"] == 10, "the published default"
    assert np.isnan(table.loc["tsn gated", "weight"])


def test_seeds_are_averaged(finished, reseeded):
    record = finished("tsn")
    two = {"tsn": [record, reseeded(record, 1, shift=0.25)]}
    first = comparison_table({"tsn": [record]}).loc["tsn gated"]
    row = comparison_table(two).loc["tsn gated"]
    assert row["alpha"] == pytest.approx(first["alpha"] + 0.125)
    assert row["runs"] == 2


def test_a_seed_without_a_value_leaves_no_mean(finished, reseeded):
    record = finished("tsn")
    two = {"tsn": [record, reseeded(record, 1, shift=np.nan)]}
    assert np.isnan(comparison_table(two).loc["tsn gated", "alpha"])


def test_a_run_that_was_made_here_and_published_counts_once(finished, reseeded):
    record = finished("tsn")
    again, other = reseeded(record, 0), reseeded(record, 1)
    runs = joined({"tsn": [record]}, {"tsn": [again, other], "joint": [finished("joint")]})
    assert [one.config.seed for one in runs["tsn"]] == [0, 1]
    assert runs["tsn"][0] is record
    assert list(runs) == ["tsn", "joint"]


def test_another_split_is_another_run(finished, reseeded):
    record = finished("tsn")
    config = record.config.model_copy(update={"split": "1"})
    other = described(reseeded(record, 0), config=config)
    assert joined({"tsn": [record]}, {"tsn": [other]})["tsn"] == [record, other]
    own, others = shared({"tsn": [record, other], "joint": [other]}, "tsn", "joint")
    assert (own, others) == ([other], [other])
    assert shared({"tsn": [record]}, "tsn", "joint") == [[], []]
    measured = measures_by_run({"tsn": [record, other]}, [("tsn", "gated")])
    assert measured["split"].tolist() == ["given", "1"]


def test_times_are_those_of_all_tasks_and_of_one_image(finished):
    record = finished("tsn")
    timings = {"learning a": 60.0, "learning b": 30.0, "scoring a": 6.0, "all heads": 3.0}
    changed = described(record, timings=timings)
    assert minutes(changed, "learning") == 1.5
    assert minutes(changed, "scoring") == pytest.approx(0.1)
    images = len(record.test_images["gamma"])
    assert image_milliseconds(changed) == pytest.approx(1000 * 3 / images)
    assert np.isnan(image_milliseconds(described(record, timings={"scoring gamma": 3.0})))


def test_a_run_made_here_is_told_from_its_published_record(finished, reseeded):
    record = finished("tsn")
    moved = reseeded(record, record.config.seed, shift=0.25)
    moved.scores = moved.scores + np.float32(1e-6)
    assert not differ({"tsn": [record]}, {"tsn": [record]})
    assert not differ({"tsn": [record]}, {"head-only": [moved]}), "another run"
    assert differ({"tsn": [moved]}, {"tsn": [record]})

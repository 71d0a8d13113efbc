"""Strategies side by side: ways, means over seeds, paired differences."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tsniqa.study import evaluation as tables
from tsniqa.study import ways
from tsniqa.study.ways import (
    COMPARED,
    LOWER,
    REMEMBERS,
    TOLD,
    UPPER,
    Way,
    best_ways,
    comparison_table,
    competes,
    growth_table,
    half_width,
    role,
    spread_table,
    use_table,
)

ALL = ("tsn", "head-only", "sequential", "joint", "separate")


@pytest.fixture(scope="module")
def runs(finished):
    return {strategy: [finished(strategy)] for strategy in ALL}


@pytest.fixture(scope="module")
def every(finished):
    return {name: [finished(name)] for name in (*ALL, "unique", "multihead", "lwf", "gdumb")}


@pytest.mark.parametrize(
    ("way", "expected"),
    [
        (Way("joint", "single"), UPPER),
        (Way("unique", "single"), UPPER),
        (Way("separate", "oracle"), UPPER),
        (Way("tsn", "oracle"), TOLD),
        (Way("separate", "gated"), COMPARED),
        (Way("lwf", "gated"), COMPARED),
        (Way("sequential", "single"), LOWER),
        (Way("multihead", "gated"), LOWER),
    ],
)
def test_bounds_are_told_apart_from_what_competes(way, expected, every):
    assert role(way, every) == expected
    assert competes(way, every) == (expected in (COMPARED, LOWER))


def test_a_memory_that_holds_every_training_image_does_not_compete(every):
    gdumb = Way("gdumb", "single")
    (record,) = every["gdumb"]
    images = sum(task.images["train"] for task in record.description.tasks)
    for memory, expected in ((images, REMEMBERS), (images - 1, COMPARED)):
        preset = record.description.preset.model_copy(update={"memory": memory})
        description = record.description.model_copy(update={"preset": preset})
        runs = {"gdumb": [replace(record, description=description)]}
        assert role(gdumb, runs) == expected
        assert competes(gdumb, runs) == (expected == COMPARED)


def test_labels_name_the_use_unless_there_is_but_one():
    assert Way("tsn", "gated").label == "tsn gated"
    assert Way("joint", "single").label == "joint"


def test_the_main_weight_is_the_presets_or_the_default(every):
    table = comparison_table(every, [Way("lwf", "gated"), Way("tsn", "gated")])
    assert table.loc["lwf gated", "weight"] == 10
    assert np.isnan(table.loc["tsn gated", "weight"])


def test_every_use_of_every_strategy_is_listed_bounds_first(runs):
    labels = [way.label for way in ways.ways(runs)]
    assert labels[:2] == ["joint", "separate oracle"]
    assert labels[-1] == "sequential"
    uses = ("gated", "latest", "oracle", "hard", "uniform", "centred")
    of_heads = {f"{name} {use}" for name in ("tsn", "head-only", "separate") for use in uses}
    assert set(labels) == of_heads | {"sequential", "joint"}
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


def test_seeds_are_averaged_and_their_spread_is_shown(finished, reseeded):
    record = finished("tsn")
    two = {"tsn": [record, reseeded(record, 1, shift=0.25)]}
    first = comparison_table({"tsn": [record]}).loc["tsn gated"]
    row = comparison_table(two).loc["tsn gated"]
    assert row["alpha"] == pytest.approx(first["alpha"] + 0.125)
    assert row["seeds"] == 2
    # Two values 0.25 apart: standard deviation 0.25 / sqrt 2, t(0.975; 1) = 12.706.
    half = 12.7062 * 0.25 / 2
    assert row["±"] == pytest.approx(half, rel=1e-4)
    assert np.isnan(first["±"]), "one seed has no spread"
    shown = spread_table(two).loc["tsn gated", "alpha"]
    assert shown == f"{row['alpha']:.3f} ± {half:.3f}"
    assert spread_table({"tsn": [record]}).loc["tsn gated", "alpha"] == f"{first['alpha']:.3f}"


def test_the_half_width_is_that_of_students_t():
    # 1, 2, 3: standard deviation 1, t(0.975; 2) = 4.30265, divided by sqrt 3.
    assert half_width(pd.Series([1.0, 2.0, 3.0])) == pytest.approx(4.30265 / 3**0.5, rel=1e-5)
    assert np.isnan(half_width(pd.Series([1.0])))
    assert np.isnan(half_width(pd.Series([1.0, np.nan])))


def test_a_seed_without_a_value_leaves_no_mean_and_no_spread(finished, reseeded):
    record = finished("tsn")
    two = {"tsn": [record, reseeded(record, 1, shift=np.nan)]}
    assert np.isnan(comparison_table(two).loc["tsn gated", "alpha"])
    assert spread_table(two).loc["tsn gated", "alpha"] == "–"


def test_uses_of_heads_stand_side_by_side(runs):
    table = use_table(runs)
    assert table.index.tolist() == ["tsn", "head-only", "separate"]
    record = runs["tsn"][0]
    assert table.loc["tsn", "oracle"] == tables.summary(record, "oracle")["mean SRCC"]
    assert use_table(runs, "mSI").loc["separate", "oracle"] == 1
    assert use_table({"joint": runs["joint"]}).empty


def test_drifting_heads_have_one_more_use(finished):
    table = use_table({"tsn": [finished("tsn")], "multihead": [finished("multihead")]})
    assert np.isnan(table.loc["tsn", "half"])
    assert not np.isnan(table.loc["multihead", "half"])


def test_strategies_are_used_as_their_sources_use_them(finished):
    names = ("icarl-v2", "separate", "sequential", "lwf")
    labels = [way.label for way in ways.main_ways({name: [finished(name)] for name in names})]
    assert labels == ["separate oracle", "icarl-v2 half", "lwf gated", "sequential"]


def test_what_a_model_stores_grows_with_its_tasks(runs):
    table = growth_table(runs)
    stored = runs["tsn"][0].description.parameters.stored_per_task
    assert table["tsn"].tolist() == [stored, 2 * stored, 3 * stored]
    assert table["joint"].tolist() == [0, 0, 0], "one network and head, replaced in place"


def test_bounds_never_count_as_best(runs):
    table = comparison_table(runs)
    table["alpha"] = [float(role == UPPER) for role in table["role"]]
    competing = table.index[table["role"].isin((COMPARED, LOWER))].tolist()
    assert best_ways(table, "alpha") == (competing, []), "all of them tie at 0"
    table["alpha"] = np.nan
    assert best_ways(table, "alpha") == ([], [])
    table["alpha"] = np.arange(len(table), dtype=float)
    assert best_ways(table, "alpha") == (competing[-1:], competing[-2:-1])

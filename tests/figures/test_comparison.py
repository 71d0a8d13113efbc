"""Figures of a comparison and of a search."""

import numpy as np
import pytest
from matplotlib import pyplot as plt

from tsniqa import tables, ways
from tsniqa.figures import comparison as figures
from tsniqa.figures.style import GREY, PALETTE, STRATEGY_COLOURS
from tsniqa.search import Candidate, SearchPlan, SearchRecord, Trial
from tsniqa.ways import MEAN, Difference


@pytest.fixture
def runs(finished):
    names = ("tsn", "head-only", "sequential", "joint", "separate")
    return {name: [finished(name)] for name in names}


@pytest.fixture(autouse=True)
def nothing_is_left_open():
    yield
    assert plt.get_fignums() == [], "an open figure would be shown twice in a notebook"


def entries(figure):
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def test_strategies_keep_their_colours_and_new_ones_get_free_ones():
    colours = figures.strategy_colours(["tsn", "zeta", "eta"])
    assert colours["tsn"] == STRATEGY_COLOURS["tsn"]
    assert colours["eta"] != colours["zeta"]
    assert colours["tsn"] not in (colours["eta"], colours["zeta"])
    every = figures.strategy_colours([*STRATEGY_COLOURS, "zeta"])
    assert {name: every[name] for name in STRATEGY_COLOURS} == STRATEGY_COLOURS


def test_matrices_of_all_main_ways_stand_side_by_side(runs):
    main = ways.main_ways(runs)
    titles = [axes.get_title() for axes in figures.side_by_side(runs, main).axes]
    assert titles[: len(main)] == [way.label for way in main]


def test_the_curve_of_the_first_task_is_the_first_column_of_s(runs):
    main = ways.main_ways(runs)
    figure = figures.forgetting_curves(runs, main)
    assert entries(figure) == [way.label for way in main]
    position = [way.label for way in main].index("sequential")
    expected = tables.srcc_matrix(runs["sequential"][0], "single")[:, 0]
    line = figure.axes[0].lines[position].get_ydata()
    assert np.asarray(line) == pytest.approx(expected, nan_ok=True)


def test_the_plane_leaves_out_what_has_no_stability(runs):
    shown = entries(figures.plasticity_stability_plane(runs))
    assert "joint" not in shown
    assert "tsn oracle" in shown


def test_final_dots_end_with_the_mean(runs):
    axes = figures.final_dots(runs, ways.main_ways(runs)).axes[0]
    labels = [tick.get_text() for tick in axes.get_yticklabels()]
    assert labels == ["alpha", "beta", "gamma", "mean SRCC"]


def test_one_task_and_one_way_can_be_drawn(finished):
    runs = {"tsn": [finished("tsn", ("alpha",))]}
    way = ways.Way("tsn", "gated")
    labels = figures.final_dots(runs, [way]).axes[0].get_yticklabels()
    assert [tick.get_text() for tick in labels] == ["alpha"]
    assert figures.forgetting_curves(runs, [way]).axes


def test_unresolved_differences_are_grey_and_hollow():
    found = [
        Difference("a", "b", "t1", 0.2, 0.1, 0.3),
        Difference("a", "b", "t2", 0.1, -0.1, 0.3),
        Difference("a", "b", MEAN, 0.0, 0.0, 0.0),
    ]
    axes = figures.forest({"a − b": found}).axes[0]
    marks = [line for line in axes.lines if line.get_marker() in ("o", "D")]
    assert [mark.get_color() for mark in marks] == [PALETTE[0], GREY, GREY]
    assert [mark.get_markerfacecolor() for mark in marks] == [PALETTE[0], "white", "white"]
    assert marks[2].get_marker() == "D", "the mean over tasks has a mark of its own"


def test_an_unfinished_search_can_be_drawn():
    candidates = (Candidate(name="one"), Candidate(name="two"))
    plan = SearchPlan(preset="smoke", tasks=("a", "b"), candidates=candidates)
    trials = [
        Trial(candidate="one", task=task, head_only=0.5, best=0.6, curve=[], seconds=1)
        for task in "ab"
    ]
    figure = figures.search_dots(SearchRecord(plan=plan, trials=trials), {"a": 10, "b": 20})
    labels = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    assert labels == ["one"]
    assert "a (10 images)" in entries(figure)

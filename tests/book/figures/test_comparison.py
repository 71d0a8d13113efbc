"""Figures of a comparison and of a search."""

import numpy as np
import pytest
from matplotlib import pyplot as plt

from tsniqa.book.figures import comparison as figures
from tsniqa.book.figures.style import GREY, PALETTE, STRATEGY_COLOURS
from tsniqa.study import evaluation as tables
from tsniqa.study import ways
from tsniqa.study.bootstrap import MEAN, Difference


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


def test_the_curve_of_the_first_task_is_the_first_column_of_s_by_family(runs):
    main = ways.main_ways(runs)
    figure = figures.forgetting_curves(runs, main)
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert titles == list(dict.fromkeys(way.family for way in main))
    axes = figure.axes[titles.index("no defence")]
    labels = [line.get_label() for line in axes.lines]
    assert labels == [main[0].label, "sequential"], "the first way is context in every panel"
    expected = tables.srcc_matrix(runs["sequential"][0], "single")[:, 0]
    assert np.asarray(axes.lines[1].get_ydata()) == pytest.approx(expected, nan_ok=True)


def test_strategies_that_store_the_same_share_a_line(runs):
    figure = figures.memory_growth(runs)
    shown = [name for label in entries(figure) for name in label.replace("\n", ", ").split(", ")]
    assert sorted(shown) == ["head-only", "separate", "tsn"], "one shared head stores nothing more"
    lowest = min(line.get_ydata()[0] for line in figure.axes[0].lines)
    assert lowest == runs["head-only"][0].description.parameters.stored_per_task


def test_differences_of_many_ways_are_ordered_and_hollow_where_unresolved():
    found = [
        Difference("low", "tsn gated", MEAN, -0.2, -0.3, -0.1),
        Difference("high", "tsn gated", MEAN, 0.2, 0.1, 0.3),
        Difference("open", "tsn gated", MEAN, 0.1, -0.1, 0.3),
    ]
    axes = figures.way_forest(found).axes[0]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["high", "open", "low"]
    marks = [line for line in axes.lines if line.get_marker() == "D"]
    assert [line.get_markerfacecolor() == "white" for line in marks] == [False, True, False]
    assert axes.get_xlabel().startswith("difference to tsn gated")


def test_the_plane_leaves_out_what_has_no_stability(runs):
    shown = entries(figures.plasticity_stability_plane(runs))
    assert "joint" not in shown
    assert "tsn oracle" in shown


def test_final_dots_have_a_panel_a_task_and_a_row_a_way(runs):
    main = ways.main_ways(runs)
    figure = figures.final_dots(runs, main)
    assert [axes.get_title() for axes in figure.axes] == ["mean SRCC", "alpha", "beta", "gamma"]
    assert [tick.get_text() for tick in figure.axes[0].get_yticklabels()] == [
        way.label for way in main
    ]
    row = [way.label for way in main].index("sequential")
    (dot,) = [line for line in figure.axes[2].lines if line.get_ydata()[0] == row]
    final = tables.srcc_matrix(runs["sequential"][0], "single")[-1]
    assert dot.get_xdata()[0] == pytest.approx(final[1])


def test_one_task_and_one_way_can_be_drawn(finished):
    runs = {"tsn": [finished("tsn", ("alpha",))]}
    way = ways.Way("tsn", "gated")
    (axes,) = figures.final_dots(runs, [way]).axes
    assert axes.get_title() == "alpha"
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

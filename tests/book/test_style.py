"""Colours stay with their tasks, and a figure is shown once."""

import matplotlib.pyplot as plt
import pytest

from tsniqa.book.style import (
    READOUT_STYLES,
    STRATEGY_COLOURS,
    panels,
    shown_once,
    strategy_colours,
    task_colours,
    use_style,
)
from tsniqa.model.readouts import READOUTS
from tsniqa.strategies import STRATEGIES
from tsniqa.synthetic.benchmark import MINI_TASKS


def test_a_known_task_has_the_same_colour_whatever_is_shown_with_it():
    everything = task_colours(MINI_TASKS)
    assert task_colours(["mini-kadid", "my-own"])["mini-kadid"] == everything["mini-kadid"]
    assert len(set(everything.values())) == len(MINI_TASKS)


def test_unknown_tasks_get_colours_that_no_other_task_has():
    names = ["zebra", *MINI_TASKS, "apple"]
    colours = task_colours(names)
    assert list(colours) == names
    assert len(set(colours.values())) == len(names)
    assert task_colours(["apple", "zebra"]) == task_colours(["zebra", "apple"])


def test_more_tasks_than_colours_repeat_them():
    assert len(task_colours([f"task {i}" for i in range(25)])) == 25


def test_every_strategy_has_its_own_colour_and_new_ones_get_free_ones():
    assert set(STRATEGIES) <= set(STRATEGY_COLOURS)
    assert len(set(STRATEGY_COLOURS.values())) == len(STRATEGY_COLOURS)
    colours = strategy_colours(["tsn", "zeta", "eta"])
    assert colours["tsn"] == STRATEGY_COLOURS["tsn"]
    assert len(set(colours.values())) == 3


def test_every_readout_has_a_style_of_its_own():
    assert set(READOUT_STYLES) == {*READOUTS, "half", "single"}
    shown = [style for readout, style in READOUT_STYLES.items() if readout != "single"]
    assert len(set(shown)) == len(shown)


def test_panels_fill_rows_and_those_at_the_bottom_of_a_column_have_labels():
    figure, used = panels(5, 3, (2, 1), sharex=True)
    plt.close(figure)
    assert figure.axes == used
    assert figure.get_size_inches().tolist() == [6, 2]
    labelled = [axes.xaxis.get_tick_params()["labelbottom"] for axes in used]
    assert labelled == [False, False, True, True, True]


def test_a_finished_figure_is_no_longer_held_by_pyplot():
    use_style()
    figure, _ = plt.subplots()
    assert shown_once(figure) is figure
    assert not plt.fignum_exists(figure.number)


@pytest.mark.parametrize("setting", ["figure.dpi", "axes.titleweight"])
def test_the_style_is_set_for_later_figures(setting):
    plt.rcdefaults()
    before = plt.rcParams[setting]
    use_style()
    assert plt.rcParams[setting] != before

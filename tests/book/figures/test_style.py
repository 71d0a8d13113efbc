"""Colours stay with their tasks, and a figure is shown once."""

import matplotlib.pyplot as plt
import pytest

from tsniqa.book.figures.style import STRATEGY_COLOURS, shown_once, task_colours, use_style
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


def test_every_strategy_has_its_own_colour():
    assert set(STRATEGIES) <= set(STRATEGY_COLOURS)
    assert len(set(STRATEGY_COLOURS.values())) == len(STRATEGY_COLOURS)


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

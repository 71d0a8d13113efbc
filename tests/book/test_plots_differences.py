"""Differences are drawn with what is known of them."""

import pandas as pd

from tsniqa.book.plots_differences import intervals
from tsniqa.book.style import GREY, PALETTE
from tsniqa.study.bootstrap import COLUMNS, MEAN

FOUND = pd.DataFrame(
    [
        ("a", "b", "t1", 0.2, 0.1, 0.3, "one run", (0.2,), "higher"),
        ("c", "b", "t2", 0.1, -0.1, 0.3, "one run", (0.1,), "not resolved"),
        ("d", "b", MEAN, 0.0, 0.0, 0.0, "one run", (0.0,), "equal"),
    ],
    columns=COLUMNS,
)


def rows(axes):
    return [tick.get_text() for tick in axes.get_yticklabels()]


def test_unresolved_differences_are_grey_and_hollow():
    axes = intervals({"a − b": FOUND}).axes[0]
    marks = [line for line in axes.lines if line.get_marker() in ("o", "D")]
    assert [mark.get_xdata()[0] for mark in marks] == [0.2, 0.1, 0]
    assert [mark.get_color() for mark in marks] == [PALETTE[0], GREY, GREY]
    assert [mark.get_markerfacecolor() for mark in marks] == [PALETTE[0], "white", "white"]
    assert marks[2].get_marker() == "D", "the mean over tasks has a mark of its own"
    assert rows(axes) == ["t1", "t2", MEAN]


def test_rows_are_what_is_compared_and_panels_keep_their_titles():
    figure = intervals({"one": FOUND, "two": FOUND, "three": FOUND}, rows="first")
    assert [axes.get_title() for axes in figure.axes] == ["one", "two", "three"]
    assert rows(figure.axes[0]) == ["a", "c", "d"]

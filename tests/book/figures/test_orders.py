"""Figures of all orders and of skipped heads."""

from itertools import permutations

import numpy as np
import pandas as pd
import pytest

from tsniqa.book.figures import orders as figures

ORDERS = list(permutations("abc"))


@pytest.fixture
def table():
    return pd.DataFrame({"order": ORDERS, "mPI": np.linspace(0.2, 0.7, 6), "mSI": [1.0] * 6})


def test_histograms_count_every_order_and_mark_the_given_ones(table):
    marked = {"this order": list("abc"), "reversed": list("cba")}
    figure = figures.order_distributions(table, marked, ("mPI", "mSI"))
    for axes in figure.axes:
        assert sum(bar.get_height() for bar in axes.patches) == 6
        assert axes.get_ylabel() == "orders"
        assert axes.get_xlabel() == axes.get_title()
    places = [line.get_xdata()[0] for line in figure.axes[0].lines]
    assert places == [pytest.approx(0.2), pytest.approx(0.7)]
    assert [text.get_text() for text in figure.legends[0].texts] == list(marked)


def test_histograms_of_nan_are_empty(table):
    table["mPI"] = np.nan
    figure = figures.order_distributions(table, {"this order": list("abc")}, ("mPI",))
    assert sum(bar.get_height() for bar in figure.axes[0].patches) == 0


def test_position_heatmaps_write_every_mean_and_a_dash_for_nan():
    values = pd.DataFrame([[0.25, -0.5], [np.nan, 0.75]], index=list("ab"), columns=[1, 2])
    figure = figures.by_position({"mPI": values, "mSI": values})
    assert len(figure.axes) == 2
    assert [text.get_text() for text in figure.axes[0].texts if text.get_text() != "–"] == [
        ".250",
        "-.500",
        ".750",
    ]
    assert all(axes.get_xlabel() == "position in the order" for axes in figure.axes)


def test_the_measured_change_is_drawn_against_the_bound():
    weight, change = np.array([0.0, 0.1, 0.2, np.nan]), np.array([0.0, 0.15, 0.1, 0.0])
    axes = figures.skipped_change(weight, change).axes[0]
    x, y = axes.lines[0].get_data()
    np.testing.assert_allclose(y, 2 * x)
    assert x[-1] >= 0.2
    assert "delta" in axes.get_xlabel()
    assert axes.get_ylabel()


def test_nothing_skipped_still_draws():
    assert figures.skipped_change(np.zeros(3), np.zeros(3)).axes[0].get_xlim()[1] > 0


def test_skipping_shows_work_and_error():
    index = pd.Index([0.0, 0.1], name="skipped weight")
    columns = {"heads": [3, 2], "mean change": [0, 0.01], "largest change": [0, np.nan]}
    table = pd.DataFrame(columns | {"bound": [0, 0.2], "agreement": [1, 0.9]}, index=index)
    left, right = figures.skipping(table, 3).axes
    np.testing.assert_allclose(left.lines[0].get_ydata(), [3, 2])
    assert len(right.lines) == 3
    assert left.get_ylabel() and right.get_ylabel() and left.get_xlabel()

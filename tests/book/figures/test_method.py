"""Figures of the method's parts show what the method computes."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

from tsniqa.book.figures import method as figures
from tsniqa.book.style import task_colours
from tsniqa.model.gating import softmin_weights

DISTANCES = np.random.default_rng(0).uniform(0.05, 0.3, size=(5, 3, 2))


def labelled(axes):
    return bool(axes.get_xlabel()) and bool(axes.get_ylabel())


def test_the_pair_loss_lies_between_zero_and_one_and_mirrors_between_the_labels():
    figure = figures.pair_loss()
    left, right = figure.axes
    assert labelled(left) and labelled(right)
    first, second = (line.get_ydata() for line in left.lines[:2])
    np.testing.assert_allclose(first, second[::-1], atol=1e-12)
    assert first.max() <= 1
    assert first.min() >= -2e-4


def test_the_slope_of_the_pair_loss_vanishes_on_both_sides_and_cross_entropys_does_not():
    slopes = [line.get_ydata() for line in figures.pair_loss().axes[1].lines]
    assert abs(slopes[0][0]) < 0.01 and abs(slopes[0][-1]) < 0.01
    assert slopes[2][0] < -1


def test_the_slope_is_the_derivative_of_the_loss():
    left, right = figures.pair_loss().axes
    x, loss = left.lines[0].get_data()
    np.testing.assert_allclose(
        np.gradient(loss, x)[1:-1], right.lines[0].get_ydata()[1:-1], atol=1e-3
    )


def test_pairs_draw_every_pair_of_a_batch_and_count_without_ties():
    figure = figures.pairs([1.0, 2.0, 2.0, 4.0, 5.0, 6.0])
    left, right = figure.axes[:2]
    assert len(left.lines) == 15
    assert len(right.lines) == 3
    assert left.get_title() == "in-batch: 14 pairs from 6 images"
    assert right.get_title() == "loaded: 3 pairs from 6 images"
    assert sum(line.get_linestyle() == ":" for line in left.lines) == 1


def test_swapped_scores_draw_one_line_an_image_also_with_nan():
    scores = pd.DataFrame({"a": [0.1, 0.2], "initial": [0.3, np.nan], "a again": [0.1, 0.2]})
    axes = figures.swapped_scores(scores, "a").axes[0]
    assert len(axes.lines) == 2
    assert [label.get_text() for label in axes.get_xticklabels()] == list(scores.columns)
    assert labelled(axes)


def test_the_gates_bars_are_its_weights_and_carry_the_tasks_colours():
    names = ["a", "b", "c"]
    figure = figures.gate(DISTANCES, names, [f"image {i}" for i in range(5)], temperature=8)
    left, right = figure.axes
    widths = np.array([bar.get_width() for bar in right.patches]).reshape(3, 5).T
    np.testing.assert_allclose(widths, softmin_weights(DISTANCES, 8))
    assert to_rgb(right.patches[0].get_facecolor()) == pytest.approx(task_colours(names)["a"])
    assert len(left.collections) == 3
    assert left.get_xlabel() and right.get_xlabel() and left.get_ylabel()


def test_the_temperature_bands_fill_the_axis():
    axes = figures.temperature(DISTANCES, [1.0, 32.0, 100.0]).axes[0]
    assert len(axes.collections) == 3
    top = axes.collections[-1].get_paths()[0].vertices[:, 1].max()
    assert top == pytest.approx(1)
    assert labelled(axes)


def test_parts_show_a_bar_and_a_number_for_each():
    counts = {"filters": 1_000_000, "head": 128, "other": 0}
    held = {"filters": "once", "head": "per task", "other": "once"}
    axes = figures.parts(counts, held).axes[0]
    assert [bar.get_width() for bar in axes.patches] == list(counts.values())
    assert [text.get_text().strip() for text in axes.texts] == ["1,000,000", "128", "0"]
    assert axes.get_xlabel() == "numbers"

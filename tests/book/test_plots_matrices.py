"""Matrices show every number of theirs."""

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from tsniqa.book.plots_matrices import draw_matrix, gate_heatmap, matrix_grid

S = np.array([[0.5, np.nan], [np.nan, -0.004]])


def texts(axes):
    return [text.get_text() for text in axes.texts]


@pytest.fixture(autouse=True)
def nothing_is_left_open():
    yield
    assert plt.get_fignums() == [], "an open figure would be shown twice in a notebook"


def test_every_cell_of_a_matrix_shows_its_number_and_a_missing_one_a_dash():
    figure, axes = plt.subplots()
    plt.close(figure)
    draw_matrix(axes, S, ["a", "b"], ["c", "d"])
    assert texts(axes) == ["0.50", "–", "0.00"], "above the diagonal there is nothing"
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["c", "d"]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["a", "b"]


@pytest.mark.parametrize("count", [1, 4])
def test_matrices_stand_side_by_side_with_one_scale_of_colours(count):
    figure = matrix_grid({f"readout {i}": S for i in range(count)}, ["a", "b"])
    *shown, scale = figure.axes
    assert [axes.get_title() for axes in shown] == [f"readout {i}" for i in range(count)]
    assert all(axes.images[0].get_clim() == (0, 1) for axes in shown)
    assert scale.get_ylabel() == "SRCC"


def test_a_matrix_of_one_task_can_be_drawn():
    assert texts(matrix_grid({"gated": np.array([[0.25]])}, ["a"]).axes[0]) == ["0.25"]


def test_the_gates_weights_are_written_into_their_cells():
    weights = pd.DataFrame([[0.9, 0.1], [0.4, 0.6]], index=["a", "b"], columns=["a", "b"])
    axes = gate_heatmap(weights).axes[0]
    assert texts(axes) == ["0.90", "0.10", "0.40", "0.60"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("head of", "test images of")

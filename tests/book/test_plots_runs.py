"""Figures of one run."""

import pytest
from matplotlib import pyplot as plt

from tsniqa.book.plots_runs import learning_curves, plasticity_and_stability, s_matrices


@pytest.fixture(autouse=True)
def nothing_is_left_open():
    yield
    assert plt.get_fignums() == [], "an open figure would be shown twice in a notebook"


def test_a_matrix_is_drawn_of_every_readout_that_the_run_has(finished):
    titles = [axes.get_title() for axes in s_matrices(finished("tsn")).axes[:-1]]
    assert titles == ["oracle", "calibrated", "set", "gated"]
    assert s_matrices(finished("sequential")).axes[0].get_title() == "single"


def test_plasticity_and_stability_have_a_line_a_readout_and_oracles_are_stable(finished):
    record = finished("tsn")
    plasticity, stability = plasticity_and_stability(record).axes
    assert len(plasticity.lines) == len(stability.lines) == len(record.readouts)
    (oracle,) = [line for line in stability.lines if line.get_label() == "oracle"]
    assert oracle.get_ydata().tolist() == [1, 1, 1]


def test_every_epoch_of_both_steps_is_drawn(finished):
    panels = learning_curves(finished("tsn")).axes
    assert [axes.get_title() for axes in panels] == ["alpha", "beta", "gamma"]
    assert [len(line.get_xdata()) for line in panels[0].lines[:2]] == [4, 2]
    assert learning_curves(finished("joint")).axes[0].get_title() == "all tasks"

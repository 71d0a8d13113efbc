"""Figures of a run: they show what the record says, and cope with strategies of every kind."""

import numpy as np
import pytest
from matplotlib import pyplot as plt

from tsniqa import metrics
from tsniqa.book.figures import runs as figures
from tsniqa.model.readouts import DRIFTING_USES
from tsniqa.study import evaluation as tables
from tsniqa.study import run_tables


def texts(axes):
    return [text.get_text() for text in axes.texts]


def visible(figure):
    return [axes for axes in figure.axes if axes.get_visible()]


@pytest.fixture(autouse=True)
def nothing_is_left_open():
    yield
    assert plt.get_fignums() == [], "an open figure would be shown twice in a notebook"


def test_every_cell_of_a_matrix_shows_its_number_and_a_missing_one_a_dash():
    figure, axes = plt.subplots()
    plt.close(figure)
    matrix = np.array([[0.5, np.nan], [np.nan, -0.004]])
    figures.draw_matrix(axes, matrix, ["a", "b"], ["a", "b"])
    assert texts(axes) == ["0.50", "–", "0.00"], "above the diagonal there is nothing"
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["a", "b"]


def test_s_is_shown_for_the_gate_the_oracle_and_the_latest_head(finished):
    record = finished("tsn")
    shown = visible(figures.srcc_matrices(record))[:3]
    assert [axes.get_title() for axes in shown] == ["gated", "oracle", "latest"]
    last = tables.srcc_matrix(record, "gated")[2, 2]
    assert texts(shown[0])[-1] == f"{last:z.2f}"


def test_joint_learning_shows_dashes_above_its_last_row(finished):
    axes = visible(figures.srcc_matrices(finished("joint")))[0]
    assert axes.get_title() == "shared head"
    assert texts(axes)[:3] == ["–", "–", "–"]
    assert "–" not in texts(axes)[3:]


def test_curves_of_plasticity_and_stability_are_those_of_the_record(finished):
    record = finished("tsn")
    left, right = figures.plasticity_and_stability(record).axes
    assert len(left.lines) == len(record.uses)
    gated = record.uses.index("gated")
    expected = metrics.plasticity(tables.srcc_matrix(record, "gated"))
    assert left.lines[gated].get_ydata() == pytest.approx(expected, nan_ok=True)
    assert right.lines[record.uses.index("oracle")].get_ydata().tolist() == [1, 1, 1]


def test_a_strategy_without_intermediate_states_says_so(finished):
    left, right = figures.plasticity_and_stability(finished("joint")).axes
    assert texts(left) == texts(right) == ["no states in between"]


@pytest.mark.parametrize("strategy", ["tsn", "sequential"])
def test_a_single_task_can_be_drawn(strategy, finished):
    record = finished(strategy, ("alpha",))
    for draw in (figures.srcc_matrices, figures.plasticity_and_stability, figures.training_curves):
        assert visible(draw(record))


def test_the_gate_s_weights_are_written_into_their_cells(finished):
    weights = run_tables.mean_gate_weights(finished("tsn"))
    axes = figures.gate_heatmap(weights).axes[0]
    assert texts(axes) == [f"{value:.2f}" for value in weights.to_numpy().ravel()]


def test_learning_curves_name_the_best_validation_srcc_of_each_task(finished):
    record = finished("tsn")
    panels = visible(figures.training_curves(record))
    assert [axes.get_title() for axes in panels] == record.order
    for axes, task in zip(panels, record.order, strict=True):
        best = max(epoch.validation_srcc for epoch in record.description.history[task])
        assert texts(axes) == [f"{best:.3f}"]
    assert visible(figures.training_curves(finished("joint")))[0].get_title() == "all tasks"


def test_example_images_carry_their_places(world, finished):
    record = finished("tsn")
    found = {"beta": run_tables.examples(record, "gated", "beta", world.data_root)}
    axes = figures.example_images(found).axes
    assert [one.get_title() for one in axes] == [one.what for one in found["beta"]]
    first = found["beta"][0]
    assert f"predicted 1\nopinion {first.opinion} of {first.count}" == axes[0].get_xlabel()


def test_every_use_of_heads_has_a_style_of_its_own():
    assert set(figures.USE_STYLES) == {*DRIFTING_USES, "single"}
    shown = [figures.USE_STYLES[use] for use in DRIFTING_USES]
    assert len(set(shown)) == len(shown)


def test_heads_that_drift_are_drawn_in_every_use(finished):
    left, _ = figures.plasticity_and_stability(finished("multihead")).axes
    assert len(left.lines) == len(DRIFTING_USES)

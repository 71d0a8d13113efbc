"""Figures of the stream: one artist for each thing they are to show."""

import numpy as np
import pandas as pd
import pytest

from tsniqa.book.figures import tasks as figures
from tsniqa.study.shift import FeatureMap, quality_examples


def visible(figure):
    return [axes for axes in figure.axes if axes.axison]


def test_example_images_show_a_row_a_task_from_worst_to_best(world):
    names = ["alpha", "beta"]
    figure = figures.example_images({name: quality_examples(world.task(name)) for name in names})
    grid = figure.axes
    assert len(grid) == 2 * 5
    assert all(len(axes.images) == 1 for axes in grid)
    assert [grid[0].get_title(), grid[4].get_title()] == ["worst", "best"]
    assert [grid[0].get_ylabel(), grid[5].get_ylabel()] == names
    mos = [float(axes.get_xlabel().removeprefix("MOS ")) for axes in grid[:5]]
    assert mos == sorted(mos)


def test_example_images_say_when_there_are_none():
    figure = figures.example_images({"alpha": []})
    assert "not on this machine" in figure.axes[0].texts[0].get_text()


def test_label_distributions_count_every_label_that_exists():
    labels = {"one": np.array([1.0, 2.0, np.nan, 3.0]), "two": np.linspace(0, 100, 50)}
    figure = figures.label_distributions(labels, {"one": (1, 5), "two": (0, 100)})
    panels = visible(figure)
    counts = [sum(bar.get_height() for bar in axes.patches) for axes in panels]
    assert counts == [3, 50]
    assert [axes.get_title() for axes in panels] == ["one", "two"]
    assert all(axes.get_xlabel() == "MOS" for axes in panels)
    assert panels[0].get_ylabel() == "images"


def test_label_distributions_hide_panels_without_a_task():
    labels = {name: np.arange(5.0) for name in "abcd"}
    figure = figures.label_distributions(labels, dict.fromkeys("abcd", (0, 4)))
    assert len(visible(figure)) == 4


def test_a_feature_map_draws_every_image_twice_and_every_task_in_the_legend():
    points = pd.DataFrame({"task": ["a"] * 3 + ["b"] * 4})
    points[["PCA 1", "PCA 2", "t-SNE 1", "t-SNE 2"]] = np.random.default_rng(0).normal(size=(7, 4))
    figure = figures.feature_map(FeatureMap(points, (0.5, 0.25)))
    assert [len(axes.collections[0].get_offsets()) for axes in figure.axes] == [7, 7]
    assert [text.get_text() for text in figure.legends[0].texts] == ["a", "b"]
    assert "50%" in figure.axes[0].get_xlabel()
    assert "25%" in figure.axes[0].get_ylabel()


@pytest.mark.parametrize("missing", [False, True])
def test_task_distances_frame_the_nearest_task_and_show_a_dash_for_nan(missing):
    values = np.array([[0.1, 0.3], [0.2, 0.15]])
    if missing:
        values[0] = np.nan
    figure = figures.task_distances(pd.DataFrame(values, index=list("ab"), columns=list("ab")))
    axes = figure.axes[0]
    frames = [patch.get_xy() for patch in axes.patches]
    assert frames == ([(1, 1)] if missing else [(0, 0), (1, 1)])
    texts = [text.get_text() for text in axes.texts]
    assert "0.150" in texts
    assert ("0.100" in texts) is not missing
    assert axes.get_xlabel() == "centroids of task"
    assert axes.get_ylabel() == "test images of task"

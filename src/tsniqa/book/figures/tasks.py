"""Figures of the stream of tasks: images, labels, features, distances."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from tsniqa.book.figures.style import GREY, SEQUENTIAL, WIDTH, shown_once, task_colours
from tsniqa.pixels import decode
from tsniqa.study.shift import FeatureMap, LabelledExample


def example_images(examples: Mapping[str, Sequence[LabelledExample]]) -> Figure:
    """Show example images of every task, from the worst (left) to the best (right).

    Args:
        examples: For each task, as many examples as for all others, with rising quantiles; tasks
            without any on this machine are left out.

    Returns:
        One row a task; an empty figure that says so if no task has images here.
    """
    shown = {task: list(images) for task, images in examples.items() if images}
    if not shown:
        figure, axes = plt.subplots(figsize=(WIDTH, 0.6))
        axes.text(0.5, 0.5, "The images are not on this machine.", ha="center", color=GREY)
        axes.set_axis_off()
        return shown_once(figure)
    columns = max(len(images) for images in shown.values())
    size = (WIDTH, 0.3 + len(shown) * (WIDTH / columns) * 0.93)
    figure, grid = plt.subplots(len(shown), columns, figsize=size, squeeze=False)
    colours = task_colours(list(shown))
    for row, (task, images) in zip(grid, shown.items(), strict=True):
        for axes, example in zip(row, images, strict=False):
            axes.imshow(_square(decode(example.path)), interpolation="lanczos")
            axes.set_xlabel(f"MOS {example.mos:.3g}", fontsize="small", labelpad=2)
        row[0].set_ylabel(task, fontweight="bold", color=colours[task])
    for axes, example in zip(grid[0], next(iter(shown.values())), strict=False):
        axes.set_title(_rank(example.quantile))
    for axes in grid.flat:
        axes.set(xticks=[], yticks=[])
        sns.despine(ax=axes, left=True, bottom=True)
    return shown_once(figure)


def _square(image: np.ndarray) -> np.ndarray:
    """Cut the central square out of an image [H, W, 3], so that all examples have one size."""
    side = min(image.shape[:2])
    top, left = ((length - side) // 2 for length in image.shape[:2])
    return image[top : top + side, left : left + side]


def _rank(quantile: float) -> str:
    named = {0.5: "middle"}
    if quantile <= 0.05:
        return "worst"
    return "best" if quantile >= 0.95 else named.get(quantile, f"{100 * quantile:.0f}% are worse")


def label_distributions(
    labels: Mapping[str, np.ndarray], ranges: Mapping[str, tuple[float, float]]
) -> Figure:
    """Draw how every task's labels are distributed, each on its own scale.

    Args:
        labels: Mean opinion scores [n] by task, higher is better; NaN are left out.
        ranges: Lowest and highest value of each task's scale.

    Returns:
        One panel a task, with the median marked.
    """
    columns = min(3, len(labels))
    rows = -(-len(labels) // columns)
    size = (WIDTH, 0.4 + 1.75 * rows)
    figure, grid = plt.subplots(rows, columns, figsize=size, squeeze=False, sharey=True)
    colours = task_colours(list(labels))
    for axes, (task, values) in zip(grid.flat, labels.items(), strict=False):
        present = np.asarray(values)[~np.isnan(values)]
        bins = np.linspace(*ranges[task], 21)
        axes.hist(present, bins=bins, color=colours[task], alpha=0.85, edgecolor="white")
        axes.axvline(np.median(present), color="black", linestyle="--", linewidth=1)
        axes.set(title=task, xlabel="MOS", ylabel="images", xlim=ranges[task])
        axes.grid(axis="x", visible=False)
        axes.label_outer(remove_inner_ticks=False)
        axes.set_xlabel("MOS")
        axes.tick_params(labelbottom=True)
    for axes in grid.flat[len(labels) :]:
        axes.set_axis_off()
    return shown_once(figure)


def feature_map(drawn: FeatureMap) -> Figure:
    """Draw the gate's features flat, coloured by task: principal components, and t-SNE.

    Args:
        drawn: From :func:`tsniqa.study.shift.feature_map`.

    Returns:
        Two panels with one legend.
    """
    figure, grid = plt.subplots(1, 2, figsize=(WIDTH, 4.2))
    names = list(dict.fromkeys(drawn.points["task"]))
    colours = task_colours(names)
    # Drawn in random order, or the last task would hide the first ones.
    points = drawn.points.sample(frac=1, random_state=0)
    for axes, method in zip(grid, ("PCA", "t-SNE"), strict=True):
        axes.scatter(
            points[f"{method} 1"],
            points[f"{method} 2"],
            c=[colours[name] for name in points["task"]],
            s=11,
            alpha=0.75,
            linewidths=0,
        )
        axes.set(title=f"{method} of stages 3 and 4", xlabel=f"{method} 1", ylabel=f"{method} 2")
        axes.set(xticks=[], yticks=[])
    for number, share in enumerate(drawn.explained, start=1):
        label = f"PCA {number} ({100 * share:.0f}% of the variance)"
        grid[0].set(**{"xlabel" if number == 1 else "ylabel": label})
    handles = [
        plt.Line2D([], [], marker="o", linestyle="", color=colours[name], label=name)
        for name in names
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(6, len(names)))
    return shown_once(figure)


def task_distances(distances: pd.DataFrame) -> Figure:
    """Draw the distances between tasks as a heatmap; NaN cells stay empty.

    Args:
        distances: From :func:`tsniqa.study.shift.task_distances`.

    Returns:
        Rows: whose test images; columns: whose centroids; the nearest task of each row is framed.
    """
    count = len(distances)
    figure, axes = plt.subplots(figsize=(2.6 + 0.75 * count, 1.6 + 0.5 * count))
    sns.heatmap(
        distances,
        annot=distances.map(lambda value: "–" if np.isnan(value) else f"{value:.3f}"),
        fmt="",
        annot_kws={"fontsize": "small"},
        cmap=f"{SEQUENTIAL}_r",
        linewidths=1,
        cbar_kws={"label": "mean distance"},
        ax=axes,
    )
    for row, values in enumerate(distances.to_numpy()):
        if not np.isnan(values).all():
            place = (int(np.nanargmin(values)), row)
            axes.add_patch(plt.Rectangle(place, 1, 1, fill=False, edgecolor="black", linewidth=2))
    axes.set(xlabel="centroids of task", ylabel="test images of task")
    axes.tick_params(axis="x", rotation=30)
    plt.setp(axes.get_xticklabels(), ha="right", rotation_mode="anchor")
    axes.tick_params(axis="y", rotation=0)
    return shown_once(figure)

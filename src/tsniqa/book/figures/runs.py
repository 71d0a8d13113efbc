"""Figures of one continual-learning run."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from tsniqa import metrics
from tsniqa.book.figures.style import (
    GREY,
    PALETTE,
    SEQUENTIAL,
    WIDTH,
    Colour,
    shown_once,
    task_colours,
    use_style,
)
from tsniqa.pixels import decode
from tsniqa.study import evaluation as tables
from tsniqa.study.record import RunRecord
from tsniqa.study.run_tables import Example
from tsniqa.training.trainer import Epoch

SRCC_RANGE = (0.0, 1.0)
"""Colours of all S matrices span this range, so that pages compare; lower values look like 0."""

USE_STYLES: dict[str, tuple[Colour, str, str]] = {
    "oracle": (PALETTE[2], "s", "--"),
    "gated": (PALETTE[0], "o", "-"),
    "centred": (PALETTE[9], "D", "-"),
    "hard": (PALETTE[1], "^", "-."),
    "uniform": (PALETTE[4], "v", ":"),
    "latest": (PALETTE[3], "X", "--"),
    "half": (PALETTE[5], "P", "-."),
    "single": (PALETTE[0], "o", "-"),
}
"""Colour, marker and line style of every use of heads: told apart without colour, too."""


def draw_matrix(
    axes: Axes,
    matrix: np.ndarray,
    rows: Sequence[str],
    columns: Sequence[str],
    limits: tuple[float, float] = SRCC_RANGE,
) -> None:
    """Draw a matrix as coloured cells with its numbers written in.

    Args:
        axes: Where.
        matrix: [rows, columns]; NaN on or below the diagonal is a dash, above it an empty cell.
        rows: Names of the rows.
        columns: Names of the columns.
        limits: Values of the lightest and the darkest colour.
    """
    axes.imshow(np.ma.masked_invalid(matrix), cmap=SEQUENTIAL, vmin=limits[0], vmax=limits[1])
    bright = limits[0] + 0.6 * (limits[1] - limits[0])
    for (row, column), value in np.ndenumerate(matrix):
        if not np.isnan(value):
            colour = "black" if value > bright else "white"
            axes.text(column, row, f"{value:z.2f}", ha="center", va="center", color=colour, size=8)
        elif column <= row:
            axes.text(column, row, "–", ha="center", va="center", color=GREY, size=9)
    axes.set_xticks(range(len(columns)), columns, rotation=35, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(rows)), rows)
    axes.grid(False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def matrix_grid(
    matrices: Mapping[str, np.ndarray], order: Sequence[str], most_columns: int = 3
) -> Figure:
    """Draw lower-triangular SRCC matrices side by side, with one scale of colours.

    Args:
        matrices: Title and matrix [T, T] each.
        order: Task names, in the order learned.
        most_columns: How many matrices fit into a row of the page.
    """
    use_style()
    columns = min(len(matrices), most_columns)
    rows = -(-len(matrices) // columns)
    side = max(1.7, 0.52 * len(order)) if columns > 1 else max(2.2, 0.62 * len(order))
    figure, grid = plt.subplots(
        rows,
        columns,
        figsize=(columns * side + 2.1, rows * (side + 0.35) + 1.0),
        squeeze=False,
        sharex=True,
        sharey=True,
        layout="constrained",
    )
    for axes in grid.flat[len(matrices) :]:
        axes.set_visible(False)
    for axes, (title, matrix) in zip(grid.flat, matrices.items(), strict=False):
        draw_matrix(axes, matrix, order, order)
        axes.set_title(title)
    for axes in grid.flat[max(0, len(matrices) - columns) : len(matrices)]:
        axes.tick_params(labelbottom=True)
    figure.supxlabel("test images of", size="medium")
    figure.supylabel("after learning", size="medium")
    scale = ScalarMappable(Normalize(*SRCC_RANGE), SEQUENTIAL)
    figure.colorbar(
        scale, ax=grid, label="SRCC", shrink=0.8, pad=0.02, extend="min", aspect=14 * rows + 6
    )
    return shown_once(figure)


def srcc_matrices(record: RunRecord, uses: Sequence[str] | None = None) -> Figure:
    """Draw S for several uses of a run's heads.

    Args:
        record: A finished run.
        uses: Ways to use its heads; None is gated, oracle and latest, or the only one there is.
    """
    chosen = uses or [use for use in ("gated", "oracle", "latest", "single") if use in record.uses]
    matrices = {
        "shared head" if use == "single" else use: tables.srcc_matrix(record, use) for use in chosen
    }
    return matrix_grid(matrices, record.order)


def plasticity_and_stability(record: RunRecord, uses: Sequence[str] | None = None) -> Figure:
    """Draw how well each task is learned, and how far earlier predictions hold, step by step.

    Args:
        record: A finished run.
        uses: Ways to use its heads; None is all.
    """
    use_style()
    figure, (left, right) = plt.subplots(1, 2, figsize=(WIDTH + 1.5, 3.4), layout="constrained")
    steps = range(len(record.order))
    for use in uses or record.uses:
        colour, marker, line = USE_STYLES[use]
        label = "shared head" if use == "single" else use
        style = {"color": colour, "marker": marker, "ls": line, "label": label, "ms": 5, "lw": 1.6}
        left.plot(steps, metrics.plasticity(tables.srcc_matrix(record, use)), **style)
        right.plot(steps, metrics.stability(tables.agreement_matrix(record, use)), **style)
    for axes, name in ((left, "plasticity PI"), (right, "stability SI")):
        axes.set_xticks(steps, record.order, rotation=30, ha="right", rotation_mode="anchor")
        axes.set_xlabel("after learning")
        axes.set_ylabel(f"{name} (SRCC)")
        axes.set_title(name)
        axes.set_xlim(-0.3, len(record.order) - 0.7)
        axes.set_ylim(min(-0.03, axes.dataLim.y0 - 0.05), 1.05)
    if len(record.uses) > 1:
        figure.legend(*left.get_legend_handles_labels(), loc="outside right center", title="use")
    if record.description.all_at_once and len(record.order) > 1:
        for axes in (left, right):
            axes.text(0.5, 0.5, "no states in between", transform=axes.transAxes, ha="center")
    return shown_once(figure)


def gate_heatmap(weights: pd.DataFrame) -> Figure:
    """Draw the gate's mean weights.

    Args:
        weights: From :func:`tsniqa.study.run_tables.mean_gate_weights`.
    """
    use_style()
    side = max(2.2, 0.62 * len(weights))
    figure, axes = plt.subplots(figsize=(side + 2.4, side + 1.2), layout="constrained")
    draw_matrix(axes, weights.to_numpy(), weights.index.tolist(), weights.columns.tolist())
    axes.set_xlabel("head of")
    axes.set_ylabel("test images of")
    scale = ScalarMappable(Normalize(0, 1), SEQUENTIAL)
    figure.colorbar(scale, ax=axes, label="mean weight", shrink=0.8, pad=0.03)
    return shown_once(figure)


def training_curves(record: RunRecord) -> Figure:
    """Draw validation SRCC over the epochs of both steps, one panel a task.

    The state that was kept, the best one, is ringed.
    """
    use_style()
    history = record.description.history
    columns = min(3, len(history))
    rows = -(-len(history) // columns)
    figure, grid = plt.subplots(
        rows,
        columns,
        figsize=(3.1 * columns + 0.4, 2.1 * rows + 0.5),
        squeeze=False,
        sharey=True,
        layout="constrained",
    )
    for axes in grid.flat[len(history) :]:
        axes.set_visible(False)
    colours = task_colours(record.order)
    for axes, (task, epochs) in zip(grid.flat, history.items(), strict=False):
        title = "all tasks" if record.description.all_at_once else task
        _draw_epochs(axes, epochs, colours[task])
        axes.set_title(title)
    figure.supxlabel("epoch (head alone | second step)", size="medium")
    figure.supylabel("validation SRCC", size="medium")
    return shown_once(figure)


def _draw_epochs(axes: Axes, epochs: Sequence[Epoch], colour: Colour) -> None:
    """Draw one task's epochs in sequence, with a line between the steps."""
    values = np.array([epoch.validation_srcc for epoch in epochs])
    head = sum(epoch.step == "head" for epoch in epochs)
    axes.plot(range(head), values[:head], color=colour, lw=1.2, ls="--")
    axes.plot(range(head, len(values)), values[head:], color=colour, lw=1.8)
    if 0 < head < len(values):
        axes.axvline(head - 0.5, color=GREY, lw=0.8)
    if not np.isnan(values).all():
        best = int(np.nanargmax(values))
        axes.plot(best, values[best], "o", mfc="none", mec="black", ms=8)
        axes.annotate(
            f"{values[best]:.3f}",
            (best, values[best]),
            (0, -16),
            textcoords="offset points",
            ha="right" if best > len(values) / 2 else "left",
        )


def example_images(examples: Mapping[str, Sequence[Example]]) -> Figure:
    """Show picked test images, one row a task, with their places in both rankings.

    Args:
        examples: By task, from :func:`tsniqa.study.run_tables.examples`; no task may be empty.
    """
    use_style()
    columns = max(len(row) for row in examples.values())
    figure, grid = plt.subplots(
        len(examples),
        columns,
        figsize=(1.8 * columns + 0.5, 2.2 * len(examples) + 0.3),
        squeeze=False,
        layout="constrained",
    )
    for axes, example in zip(grid[0], next(iter(examples.values())), strict=True):
        axes.set_title(example.what)
    for row, (task, found) in zip(grid, examples.items(), strict=True):
        row[0].set_ylabel(task)
        for axes, example in zip(row, found, strict=True):
            axes.imshow(decode(example.path))
            places = f"predicted {example.predicted}\nopinion {example.opinion} of {example.count}"
            axes.set_xlabel(places, size="small")
            axes.set_xticks([])
            axes.set_yticks([])
            axes.grid(False)
    return shown_once(figure)

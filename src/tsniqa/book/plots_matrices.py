"""Matrices as coloured cells: S, and the gate's weights."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from tsniqa.book.style import GREY, SEQUENTIAL, panels, shown_once, use_style

LIMITS = (0.0, 1.0)
"""Colours of all matrices span this range, so that pages compare; lower values look like 0."""


def draw_matrix(
    axes: Axes, matrix: np.ndarray, rows: Sequence[str], columns: Sequence[str]
) -> None:
    """Draw a matrix as coloured cells with its numbers written in.

    Args:
        axes: Where.
        matrix: [rows, columns]; NaN on or below the diagonal is a dash, above it an empty cell.
        rows: Names of the rows.
        columns: Names of the columns.
    """
    low, high = LIMITS
    axes.imshow(np.ma.masked_invalid(matrix), cmap=SEQUENTIAL, vmin=low, vmax=high)
    bright = low + 0.6 * (high - low)
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
        matrices: Title and matrix [T, T] each, from :func:`tsniqa.study.evaluation.srcc_matrix`.
        order: Task names, in the order learned.
        most_columns: How many matrices fit into a row of the page.
    """
    use_style()
    side = max(2.2, 0.62 * len(order)) if len(matrices) == 1 else max(1.8, 0.55 * len(order))
    figure, used = panels(
        len(matrices), most_columns, (side + 0.5, side + 0.6), sharex=True, sharey=True
    )
    for axes, (title, matrix) in zip(used, matrices.items(), strict=True):
        draw_matrix(axes, matrix, order, order)
        axes.set_title(title)
    figure.supxlabel("test images of", size="medium")
    figure.supylabel("after learning", size="medium")
    _colour_bar(figure, used, "SRCC", extend="min")
    return shown_once(figure)


def gate_heatmap(weights: pd.DataFrame, what: str = "mean weight") -> Figure:
    """Draw a gate's mean weights, or something else in [0, 1] of every task and head.

    Args:
        weights: From :func:`tsniqa.study.inspection.mean_gate_weights` or ``heaviest_heads``.
        what: What the colours say.
    """
    use_style()
    side = max(2.2, 0.62 * len(weights))
    figure, (axes,) = panels(1, 1, (side + 2.4, side + 1.2))
    draw_matrix(axes, weights.to_numpy(), weights.index.tolist(), weights.columns.tolist())
    axes.set_xlabel("head of")
    axes.set_ylabel("test images of")
    _colour_bar(figure, [axes], what, extend="neither")
    return shown_once(figure)


def _colour_bar(figure: Figure, used: Sequence[Axes], label: str, extend: str) -> None:
    scale = ScalarMappable(Normalize(*LIMITS), SEQUENTIAL)
    figure.colorbar(scale, ax=used, label=label, extend=extend, shrink=0.8, pad=0.02, aspect=24)

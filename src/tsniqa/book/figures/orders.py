"""Figures of what follows from the method without another training: all orders, skipped heads."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from tsniqa.book.figures.style import GREY, PALETTE, WIDTH, shown_once


def order_distributions(
    table: pd.DataFrame, marked: dict[str, Sequence[str]], measures: Sequence[str]
) -> Figure:
    """Draw how measures are distributed over all orders of the tasks.

    Args:
        table: From :func:`tsniqa.study.orders.all_orders`.
        marked: Orders to mark, by what to call them.
        measures: Columns to draw; NaN are left out.

    Returns:
        One histogram a measure.
    """
    columns = min(2, len(measures))
    rows = -(-len(measures) // columns)
    size = (WIDTH, 0.5 + 2.2 * rows)
    figure, grid = plt.subplots(rows, columns, figsize=size, squeeze=False)
    styles = [("-", PALETTE[1]), ("--", PALETTE[3]), (":", PALETTE[2])]
    for axes, measure in zip(grid.flat, measures, strict=False):
        values = table[measure].dropna()
        axes.hist(values, bins=_bins(values), color=PALETTE[0], alpha=0.75, edgecolor="white")
        for (name, order), (line, colour) in zip(marked.items(), styles, strict=False):
            value = table.loc[table["order"] == tuple(order), measure].iloc[0]
            axes.axvline(value, linestyle=line, color=colour, linewidth=2.2, label=name)
        axes.set(title=measure, xlabel=measure, ylabel="orders")
        axes.locator_params(axis="x", nbins=5)
    for axes in grid.flat[len(measures) :]:
        axes.set_axis_off()
    handles, labels = grid[0, 0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return shown_once(figure)


def _bins(values: pd.Series) -> int | np.ndarray:
    """Bin values; some that are equal up to rounding get one bin instead of noise."""
    if not len(values) or np.ptp(values) > 1e-9:
        return 30
    return np.linspace(values.mean() - 0.01, values.mean() + 0.01, 4)


def by_position(tables: dict[str, pd.DataFrame]) -> Figure:
    """Draw the mean of measures over all orders that have a task at a position.

    Args:
        tables: For each measure, rows tasks and columns positions, from
            :func:`tsniqa.study.orders.by_position`; NaN cells stay empty.
    """
    count = len(next(iter(tables.values())))
    size = (WIDTH, 1.1 + 0.42 * count)
    figure, grid = plt.subplots(1, len(tables), figsize=size, sharey=True, squeeze=False)
    for axes, (measure, table) in zip(grid.flat, tables.items(), strict=True):
        sns.heatmap(
            table,
            annot=table.map(
                lambda value: "–" if np.isnan(value) else f"{value:.3f}".replace("0.", ".", 1)
            ),
            fmt="",
            annot_kws={"fontsize": "x-small"},
            cmap="cividis",
            linewidths=1,
            cbar=False,
            ax=axes,
        )
        axes.set(title=f"mean {measure}", xlabel="position in the order", ylabel="")
        axes.tick_params(axis="y", rotation=0)
    grid[0, 0].set_ylabel("task")
    return shown_once(figure)


def skipped_change(weight: np.ndarray, change: np.ndarray) -> Figure:
    """Draw the measured change of scores against the certified bound.

    Args:
        weight: Skipped weight delta [N] of each image.
        change: Absolute change [N] of its score; NaN are left out.
    """
    figure, axes = plt.subplots(figsize=(WIDTH, 3.8))
    reach = max(0.01, 1.05 * float(np.nanmax(weight, initial=0)))
    line = np.array([0, reach])
    axes.fill_between(line, 2 * line, 2.2 * reach, color="0.9")
    axes.text(0.55 * reach, 1.75 * reach, "ruled out by the proof", ha="center", color=GREY)
    axes.plot(line, 2 * line, color="black", linewidth=2, label=r"certified bound $2\delta$")
    axes.scatter(weight, change, s=9, alpha=0.5, linewidths=0, color=PALETTE[0], label="an image")
    axes.set(
        xlabel=r"skipped weight $\delta$ of the image",
        ylabel="absolute change of its score",
        xlim=(0, reach),
        ylim=(0, 2.2 * reach),
    )
    axes.legend(loc="upper left")
    return shown_once(figure)


def skipping(table: pd.DataFrame, heads: int) -> Figure:
    """Draw heads evaluated, and the change of scores, against the weight one is ready to skip.

    Args:
        table: From :func:`tsniqa.study.skipping.skipping_table`.
        heads: Number of all heads.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 3.3))
    left.plot(table.index, table["heads"], "o-", color=PALETTE[0])
    left.axhline(heads, color=GREY, linestyle="--", label="all heads")
    left.set(title="work", ylabel="heads evaluated, mean an image", ylim=(0, heads * 1.1))
    left.legend(loc="lower left")
    for column, colour, line in (
        ("bound", "black", "-"),
        ("largest change", PALETTE[3], "o-"),
        ("mean change", PALETTE[0], "o-"),
    ):
        right.plot(table.index, table[column], line, color=colour, label=column)
    right.set(title="error", ylabel="change of a score")
    right.legend(loc="upper left")
    for axes in (left, right):
        axes.set_xlabel(r"largest skipped weight $\delta$")
    return shown_once(figure)

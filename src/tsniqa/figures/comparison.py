"""Figures that compare strategies, uses of heads, and candidates of a search."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from tsniqa import tables
from tsniqa.figures.runs import USE_STYLES, matrix_grid
from tsniqa.figures.style import (
    GREY,
    PALETTE,
    STRATEGY_COLOURS,
    WIDTH,
    Colour,
    shown_once,
    task_colours,
    use_style,
)
from tsniqa.search import SearchRecord
from tsniqa.search_tables import search_table
from tsniqa.ways import COMPARED, LOWER, MEAN, Difference, Runs, Way, all_measures, ways


def strategy_colours(names: Sequence[str]) -> dict[str, Colour]:
    """Give every strategy its colour; unknown ones take, in name order, what those shown leave."""
    fixed = {name: STRATEGY_COLOURS[name] for name in names if name in STRATEGY_COLOURS}
    free = [colour for colour in PALETTE if colour not in fixed.values()] or PALETTE
    others = sorted(set(names) - set(fixed))
    given = {name: free[position % len(free)] for position, name in enumerate(others)}
    return {name: (fixed | given)[name] for name in names}


def side_by_side(runs: Runs, shown: Sequence[Way]) -> Figure:
    """Draw S of several ways, averaged over seeds.

    Args:
        runs: Records by strategy, all of one task order.
        shown: The ways.
    """
    matrices = {
        way.label: np.mean(
            [tables.srcc_matrix(record, way.use) for record in runs[way.strategy]], axis=0
        )
        for way in shown
    }
    return matrix_grid(matrices, runs[shown[0].strategy][0].order)


def forgetting_curves(runs: Runs, shown: Sequence[Way]) -> Figure:
    """Draw the SRCC on the first task after every task.

    The line is the mean over seeds, the band reaches from the lowest to the highest.

    Args:
        runs: Records by strategy, all of one task order.
        shown: The ways; one without intermediate states is a single point at the end.
    """
    use_style()
    figure, axes = plt.subplots(figsize=(WIDTH + 1, 4.0), layout="constrained")
    order = runs[shown[0].strategy][0].order
    colours = strategy_colours([way.strategy for way in shown])
    for way in shown:
        columns = np.array(
            [tables.srcc_matrix(record, way.use)[:, 0] for record in runs[way.strategy]]
        )
        _, marker, line = USE_STYLES[way.use]
        colour = colours[way.strategy]
        means = columns.mean(axis=0)
        face = colour if way.role in (COMPARED, LOWER) else "white"
        # A way without intermediate states is one point, which no line may cover.
        above = {"ms": 9, "zorder": 5} if np.isnan(means).any() else {"ms": 6}
        style = {"color": colour, "marker": marker, "ls": line, "mfc": face, "mew": 1.4, **above}
        axes.plot(means, label=way.label, **style)
        if len(columns) > 1:
            low, high = columns.min(axis=0), columns.max(axis=0)
            axes.fill_between(range(len(order)), low, high, color=colour, alpha=0.1, lw=0)
    axes.set_xticks(range(len(order)), order, rotation=20, ha="right", rotation_mode="anchor")
    axes.set_xlabel("after learning")
    axes.set_ylabel(f"SRCC on {order[0]}")
    figure.legend(loc="outside right center")
    return shown_once(figure)


def plasticity_stability_plane(runs: Runs) -> Figure:
    """Draw mPI against mSI: a large mark for every way's mean, a small one for every seed.

    Ways without these measures (joint learning) do not appear.
    """
    use_style()
    figure, axes = plt.subplots(figsize=(WIDTH + 1, 4.6), layout="constrained")
    table = all_measures(runs)
    colours = strategy_colours(list(runs))
    for way in ways(runs):
        points = table[table["way"] == way.label]
        mean = points[["mSI", "mPI"]].mean(skipna=False)
        if mean.isna().any():
            continue
        _, marker, _ = USE_STYLES[way.use]
        filled = way.role in (COMPARED, LOWER)
        style = {
            "color": colours[way.strategy] if filled else "none",
            "edgecolors": colours[way.strategy],
            "marker": marker,
        }
        axes.scatter(points["mSI"], points["mPI"], s=18, alpha=0.6, **style)
        axes.scatter(mean["mSI"], mean["mPI"], s=110, linewidths=1.6, label=way.label, **style)
    axes.set_xlabel("stability mSI (SRCC)")
    axes.set_ylabel("plasticity mPI (SRCC)")
    figure.legend(loc="outside right center")
    return shown_once(figure)


def final_dots(runs: Runs, shown: Sequence[Way]) -> Figure:
    """Draw the final SRCC of every task: a mark for every way, a line from lowest to highest seed.

    Args:
        runs: Records by strategy, all of one task order.
        shown: The ways; bounds and uses that are told the task are hollow.
    """
    use_style()
    order = runs[shown[0].strategy][0].order
    figure, axes = plt.subplots(figsize=(WIDTH + 1, 0.75 * len(order) + 1.8), layout="constrained")
    table = all_measures(runs)
    rows = [*order, "mean SRCC"] if len(order) > 1 else order
    colours = strategy_colours([way.strategy for way in shown])
    offsets = np.linspace(-0.32, 0.32, len(shown)) if len(shown) > 1 else [0.0]
    for way, offset in zip(shown, offsets, strict=True):
        values = table.loc[table["way"] == way.label, rows]
        heights = np.arange(len(rows)) + offset
        colour = colours[way.strategy]
        axes.hlines(heights, values.min(), values.max(), color=colour, lw=1.4, alpha=0.7)
        _, marker, _ = USE_STYLES[way.use]
        face = colour if way.role in (COMPARED, LOWER) else "white"
        axes.plot(
            values.mean(), heights, marker, ms=6, color=colour, mfc=face, mew=1.4, label=way.label
        )
    for boundary in np.arange(len(rows) - 1) + 0.5:
        axes.axhline(boundary, color="0.85" if boundary < len(order) - 1 else GREY, lw=0.8)
    axes.set_yticks(range(len(rows)), rows)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.grid(False, axis="y")
    axes.set_xlabel("SRCC after the last task")
    figure.legend(loc="outside right center")
    return shown_once(figure)


def forest(panels: dict[str, Sequence[Difference]]) -> Figure:
    """Draw differences with their 95% intervals; those that are not resolved are hollow and grey.

    Args:
        panels: Title of every panel and its differences, the same tasks in each.
    """
    use_style()
    tasks = [one.task for one in next(iter(panels.values()))]
    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    figure, grid = plt.subplots(
        rows,
        columns,
        figsize=(WIDTH + 1, rows * (0.32 * len(tasks) + 1.1)),
        squeeze=False,
        sharey=True,
        sharex=True,
        layout="constrained",
    )
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    for axes, (title, found) in zip(grid.flat, panels.items(), strict=False):
        axes.axvline(0, color=GREY, lw=1)
        for position, one in enumerate(found):
            resolved = one.verdict in ("higher", "lower")
            colour = PALETTE[0] if resolved else GREY
            face = colour if resolved else "white"
            marker = "D" if one.task == MEAN else "o"
            axes.hlines(position, one.low, one.high, color=colour, lw=2)
            axes.plot(one.value, position, marker, color=colour, mfc=face, mew=1.5, ms=7)
        axes.set_title(title)
        axes.tick_params(labelbottom=True)
    grid[0, 0].set_yticks(range(len(tasks)), tasks)
    grid[0, 0].set_ylim(len(tasks) - 0.5, -0.5)
    figure.supxlabel("difference in SRCC after the last task (95% interval)", size="medium")
    return shown_once(figure)


def search_dots(record: SearchRecord, counts: dict[str, int]) -> Figure:
    """Draw the validation SRCC of every candidate and task, with approximate standard errors.

    Args:
        record: A search.
        counts: Number of validation images of each task.
    """
    use_style()
    table = search_table(record, counts)
    candidates = table["candidate"].drop_duplicates().tolist()
    figure, axes = plt.subplots(
        figsize=(WIDTH + 1, 0.42 * len(candidates) + 1.4), layout="constrained"
    )
    colours = task_colours(record.plan.tasks)
    offsets = np.linspace(-0.15, 0.15, len(colours)) if len(colours) > 1 else [0.0]
    for (task, colour), offset, marker in zip(colours.items(), offsets, "osD^vX", strict=False):
        rows = table[table["task"] == task]
        heights = np.array([candidates.index(name) for name in rows["candidate"]]) + offset
        errors = rows["standard error"]
        label = f"{task} ({counts[task]} images)"
        axes.errorbar(
            rows["validation SRCC"], heights, xerr=errors, fmt=marker, color=colour, label=label,
            ms=6, elinewidth=1.2,
        )  # fmt: skip
    means = table.groupby("candidate", sort=False)["validation SRCC"].mean()
    axes.plot(means, range(len(means)), "|", color="black", ms=14, mew=2, label="mean")
    axes.set_yticks(range(len(candidates)), candidates)
    axes.set_ylim(len(candidates) - 0.5, -0.5)
    axes.set_xlabel("best validation SRCC, with its approximate standard error")
    figure.legend(loc="outside right upper")
    return shown_once(figure)

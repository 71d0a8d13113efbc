"""Figures that compare strategies and uses of heads."""

import itertools
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tsniqa.book.figures.runs import USE_STYLES, matrix_grid
from tsniqa.book.figures.style import (
    GREY,
    PALETTE,
    STRATEGY_COLOURS,
    WIDTH,
    Colour,
    shown_once,
    use_style,
)
from tsniqa.study import evaluation as tables
from tsniqa.study.bootstrap import MEAN, Difference
from tsniqa.study.ways import Runs, Way, all_measures, competes, growth_table, main_ways

FAMILY_MARKERS = {
    "isolation": "o",
    "no defence": "X",
    "regularisation": "s",
    "replay": "D",
    "bounds": "^",
}
"""Marker of every family of strategies, which colours alone would not tell apart."""


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
    columns = 3 if len(shown) <= 6 else 4
    return matrix_grid(matrices, runs[shown[0].strategy][0].order, columns)


def forgetting_curves(runs: Runs, shown: Sequence[Way]) -> Figure:
    """Draw the SRCC on the first task after every task, one panel for each family of strategies.

    The line is the mean over seeds, the band reaches from the lowest to the highest. The first way
    is drawn in grey in every panel.

    Args:
        runs: Records by strategy, all of one task order.
        shown: The ways; one without intermediate states is a single point at the end.
    """
    use_style()
    order = runs[shown[0].strategy][0].order
    families = list(dict.fromkeys(way.family for way in shown))
    columns = min(2, len(families))
    rows = -(-len(families) // columns)
    figure, grid = plt.subplots(
        rows, columns, figsize=(WIDTH + 1, 2.9 * rows + 0.6), squeeze=False, sharex=True,
        sharey=True, layout="constrained",
    )  # fmt: skip
    colours = strategy_colours([way.strategy for way in shown])
    for axes in grid.flat[len(families) :]:
        axes.set_visible(False)
    for axes, family in zip(grid.flat, families, strict=False):
        if shown[0].family != family:
            _first_task(axes, runs, shown[0], GREY)
        for way in (way for way in shown if way.family == family):
            _first_task(axes, runs, way, colours[way.strategy])
        axes.set_title(family)
        axes.set_xticks(range(len(order)), order, rotation=30, ha="right", rotation_mode="anchor")
        axes.legend(fontsize="x-small", loc="best")
    for axes in grid.flat[max(0, len(families) - columns) : len(families)]:
        axes.tick_params(labelbottom=True)
    figure.supxlabel("after learning", size="medium")
    figure.supylabel(f"SRCC on {order[0]}", size="medium")
    return shown_once(figure)


def _first_task(axes: Axes, runs: Runs, way: Way, colour: Colour) -> None:
    """Draw one way's SRCC on the first task."""
    values = np.array([tables.srcc_matrix(record, way.use)[:, 0] for record in runs[way.strategy]])
    _, marker, line = USE_STYLES[way.use]
    face = colour if competes(way, runs) else "white"
    means = values.mean(axis=0)
    # A way without intermediate states is one point, which no line may cover.
    above = {"ms": 9, "zorder": 5} if np.isnan(means).any() else {"ms": 5}
    style = {"color": colour, "marker": marker, "ls": line, "mfc": face, "mew": 1.3, **above}
    axes.plot(means, label=way.label, **style)
    if len(values) > 1:
        low, high = values.min(axis=0), values.max(axis=0)
        axes.fill_between(range(values.shape[1]), low, high, color=colour, alpha=0.1, lw=0)


def plasticity_stability_plane(runs: Runs, shown: Sequence[Way] | None = None) -> Figure:
    """Draw mPI against mSI: a large mark for every way's mean, a small one for every seed.

    Ways without these measures (joint learning) do not appear.

    Args:
        runs: Records by strategy.
        shown: The ways; None is every strategy as it is meant.
    """
    use_style()
    figure, axes = plt.subplots(figsize=(WIDTH + 1, 5.6), layout="constrained")
    shown = main_ways(runs) if shown is None else shown
    table = all_measures(runs, shown)
    colours = strategy_colours([way.strategy for way in shown])
    for way in shown:
        points = table[table["way"] == way.label]
        mean = points[["mSI", "mPI"]].mean(skipna=False)
        if mean.isna().any():
            continue
        filled = competes(way, runs)
        style = {
            "color": colours[way.strategy] if filled else "none",
            "edgecolors": colours[way.strategy],
            "marker": FAMILY_MARKERS.get(way.family, "*"),
        }
        axes.scatter(points["mSI"], points["mPI"], s=18, alpha=0.5, **style)
        axes.scatter(mean["mSI"], mean["mPI"], s=110, linewidths=1.6, label=way.label, **style)
    axes.set_xlabel("stability mSI (SRCC)")
    axes.set_ylabel("plasticity mPI (SRCC)")
    figure.legend(loc="outside right center", fontsize="small")
    return shown_once(figure)


def memory_growth(runs: Runs) -> Figure:
    """Draw what a model stores beyond its first network against the number of tasks.

    Strategies that store nothing more (one shared head) do not appear.
    """
    use_style()
    figure, axes = plt.subplots(figsize=(WIDTH + 1, 4.6), layout="constrained")
    table = growth_table(runs)
    table = table.loc[:, (table > 0).any()]
    colours = strategy_colours(list(table))
    # Strategies that store the same share a line, which is named after all of them.
    groups: dict[tuple[int, ...], list[str]] = {}
    for name in table:
        groups.setdefault(tuple(table[name]), []).append(name)
    for (values, names), marker in zip(
        sorted(groups.items(), reverse=True), itertools.cycle("osD^vXP*"), strict=False
    ):
        label = "\n".join(", ".join(names[i : i + 3]) for i in range(0, len(names), 3))
        axes.plot(table.index, values, marker=marker, color=colours[names[0]], label=label)
    axes.set_yscale("log")
    axes.set_xticks(table.index)
    axes.set_xlabel("tasks learned")
    axes.set_ylabel("numbers stored beyond the first network")
    figure.legend(loc="outside right center", fontsize="small")
    return shown_once(figure)


def final_dots(runs: Runs, shown: Sequence[Way]) -> Figure:
    """Draw the final SRCC, a panel a task and a row a way; a line from lowest to highest seed.

    Args:
        runs: Records by strategy, all of one task order.
        shown: The ways, from the top; bounds and uses that are told the task are hollow.
    """
    use_style()
    order = runs[shown[0].strategy][0].order
    panels = ["mean SRCC", *order] if len(order) > 1 else order
    table = all_measures(runs, shown)
    height = 0.27 * len(shown) + 1.1
    figure, grid = plt.subplots(
        1, len(panels), figsize=(WIDTH + 2.5, height), squeeze=False, sharey=True,
        layout="constrained",
    )  # fmt: skip
    colours = strategy_colours([way.strategy for way in shown])
    for axes, panel in zip(grid[0], panels, strict=True):
        for position, way in enumerate(shown):
            values = table.loc[table["way"] == way.label, panel]
            colour = colours[way.strategy]
            face = colour if competes(way, runs) else "white"
            axes.hlines(position, values.min(), values.max(), color=colour, lw=1.4, alpha=0.7)
            axes.plot(values.mean(), position, "o", ms=6, color=colour, mfc=face, mew=1.4)
        axes.set_title(panel, size="small")
        axes.locator_params(axis="x", nbins=3)
        axes.tick_params(labelsize="small")
    grid[0, 0].set_yticks(range(len(shown)), [way.label for way in shown])
    grid[0, 0].set_ylim(len(shown) - 0.5, -0.5)
    figure.supxlabel("SRCC after the last task", size="medium")
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
            _interval(axes, one, position)
        axes.set_title(title)
        axes.tick_params(labelbottom=True)
    grid[0, 0].set_yticks(range(len(tasks)), tasks)
    grid[0, 0].set_ylim(len(tasks) - 0.5, -0.5)
    figure.supxlabel("difference in SRCC after the last task (95% interval)", size="medium")
    return shown_once(figure)


def way_forest(found: Sequence[Difference]) -> Figure:
    """Draw the difference of many ways to one, largest first; unresolved ones are hollow and grey.

    Args:
        found: One difference a way, all to the same way and on the same task or mean.
    """
    use_style()
    ordered = sorted(found, key=lambda one: -one.value)
    figure, axes = plt.subplots(figsize=(WIDTH, 0.28 * len(ordered) + 1.2), layout="constrained")
    axes.axvline(0, color=GREY, lw=1)
    for position, one in enumerate(ordered):
        _interval(axes, one, position)
    axes.set_yticks(range(len(ordered)), [one.first for one in ordered])
    axes.set_ylim(len(ordered) - 0.5, -0.5)
    axes.set_xlabel(f"difference to {ordered[0].second}: SRCC, {ordered[0].task}")
    return shown_once(figure)


def _interval(axes: Axes, one: Difference, position: int) -> None:
    resolved = one.verdict in ("higher", "lower")
    colour = PALETTE[0] if resolved else GREY
    marker = "D" if one.task == MEAN else "o"
    axes.hlines(position, one.low, one.high, color=colour, lw=2)
    face = colour if resolved else "white"
    axes.plot(one.value, position, marker, color=colour, mfc=face, mew=1.5, ms=7)

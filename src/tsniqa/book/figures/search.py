"""Figures of searches on validation images."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from tsniqa.book.figures.runs import USE_STYLES
from tsniqa.book.figures.style import WIDTH, shown_once, task_colours, use_style
from tsniqa.strategies import find_strategy
from tsniqa.study.search import SearchRecord
from tsniqa.study.search_tables import search_table
from tsniqa.study.weight_search import WeightRecord
from tsniqa.study.weight_tables import chosen_weights, weight_table


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


def weight_curves(record: WeightRecord) -> Figure:
    """Draw the mean validation SRCC over tasks against the factor on the published weight.

    One panel a strategy: its main use is solid, other uses are thin; the chosen weight is ringed.

    Args:
        record: A search with finished trials.
    """
    use_style()
    names = list(record.plan.strategies)
    columns = min(4, len(names))
    rows = -(-len(names) // columns)
    figure, grid = plt.subplots(
        rows, columns, figsize=(WIDTH + 1, 2.3 * rows + 0.7), squeeze=False, sharex=True,
        sharey=True, layout="constrained",
    )  # fmt: skip
    chosen = chosen_weights(record)
    uses = dict.fromkeys(use for trial in record.trials for use in trial.srcc)
    for axes in grid.flat[len(names) :]:
        axes.set_visible(False)
    for axes, name in zip(grid.flat, names, strict=False):
        main = find_strategy(name).main_use
        for use in uses:
            values = weight_table(record, use).loc[name]
            colour, marker, line = USE_STYLES[use]
            width = 2.2 if use == main else 0.9
            style = {"color": colour, "marker": marker, "ls": line, "lw": width, "ms": 4}
            if not values.isna().all():
                axes.plot(values.index, values, label=use, **style)
        if name in chosen:
            values = weight_table(record).loc[name]
            weights = {t.weight: t.factor for t in record.trials if t.strategy == name}
            at = weights[chosen[name]]
            axes.plot(at, values[at], "o", ms=13, mfc="none", mec="black", mew=1.4)
        axes.set_xscale("log")
        axes.set_title(f"{name} ({find_strategy(name).default_weight:g})")
    figure.supxlabel("factor on the published weight", size="medium")
    figure.supylabel("mean validation SRCC", size="medium")
    handles = {}
    for axes in grid.flat[: len(names)]:
        handles |= dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=5)
    return shown_once(figure)

"""Figures of sweeps on validation images."""

from collections.abc import Mapping
from itertools import cycle

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from tsniqa.book.style import READOUT_STYLES, WIDTH, panels, shown_once, task_colours, use_style
from tsniqa.strategies import find_strategy
from tsniqa.study.sweep import SweepRecord
from tsniqa.study.sweep_tables import choice_table, standard_error, trial_results, weight_grid


def candidate_dots(record: SweepRecord, images: Mapping[str, int]) -> Figure:
    """Draw the validation SRCC of every tried candidate, with approximate standard errors.

    Args:
        record: A sweep with finished trials.
        images: Number of validation images of each task.
    """
    use_style()
    trials = trial_results(record).query("judged")
    table = trials.pivot(index="candidate", columns="task", values="srcc")
    table = table.loc[trials["candidate"].unique()]
    figure, axes = plt.subplots(figsize=(WIDTH + 1, 0.42 * len(table) + 1.4), layout="constrained")
    colours = task_colours(record.sweep.order())
    heights = np.arange(len(table))
    offsets = np.linspace(-0.15, 0.15, len(colours)) if len(colours) > 1 else [0.0]
    markers = cycle("osD^vXP*")
    for (task, colour), offset, marker in zip(colours.items(), offsets, markers, strict=False):
        errors = standard_error(table[task], images[task])
        style = {"fmt": marker, "color": colour, "ms": 6, "elinewidth": 1.2}
        label = f"{task} ({images[task]} images)"
        axes.errorbar(table[task], heights + offset, xerr=errors, label=label, **style)
    axes.plot(table.mean(axis=1), heights, "|", color="black", ms=14, mew=2, label="mean")
    axes.set_yticks(heights, table.index)
    axes.set_ylim(len(table) - 0.5, -0.5)
    axes.set_xlabel("best validation SRCC, with its approximate standard error")
    figure.legend(loc="outside right upper")
    return shown_once(figure)


def weight_curves(record: SweepRecord) -> Figure:
    """Draw the mean validation SRCC over tasks against the factor on the published weight.

    One panel a strategy: its main readout is bold, others are thin; the chosen weight is ringed.

    Args:
        record: A sweep over factors with finished trials.
    """
    use_style()
    trials, names = trial_results(record), list(record.sweep.strategies)
    columns = min(4, len(names))
    figure, used = panels(
        len(names), columns, ((WIDTH + 1) / columns, 2.3), sharex=True, sharey=True
    )
    grids = {readout: weight_grid(record, readout) for readout in trials["readout"].unique()}
    for axes, name in zip(used, names, strict=True):
        strategy = find_strategy(name)
        for readout, grid in grids.items():
            values = grid.loc[name]
            colour, marker, line = READOUT_STYLES[readout]
            width = 2.2 if readout == strategy.main_readout else 0.9
            style = {"color": colour, "marker": marker, "ls": line, "lw": width, "ms": 4}
            if values.notna().any():
                axes.plot(values.index, values, label=readout, **style)
        axes.set_xscale("log")
        axes.set_title(f"{name} ({strategy.default_weight:g})")
    for choice in choice_table(record).itertuples():
        factor = trials.loc[trials["candidate"] == choice.candidate, "factor"].iloc[0]
        axes = used[names.index(choice.strategy)]
        axes.plot(factor, choice.mean, "o", ms=13, mfc="none", mec="black", mew=1.4)
    figure.supxlabel("factor on the published weight", size="medium")
    figure.supylabel("mean validation SRCC", size="medium")
    handles = {}
    for axes in used:
        handles |= dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=5)
    return shown_once(figure)

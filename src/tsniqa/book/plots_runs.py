"""One run: its S matrices, plasticity and stability, and the losses while it learned."""

import numpy as np
from matplotlib.figure import Figure

from tsniqa import metrics
from tsniqa.book.plots_matrices import matrix_grid
from tsniqa.book.style import (
    GREY,
    READOUT_STYLES,
    WIDTH,
    panels,
    shown_once,
    task_colours,
    use_style,
)
from tsniqa.study.evaluation import agreement_matrix, srcc_matrix
from tsniqa.study.record import RunRecord

MATRICES = ("oracle", "calibrated", "set", "gated", "half", "single")
"""Readouts whose S matrix is drawn, where a run has them."""


def s_matrices(record: RunRecord) -> Figure:
    """Draw the S matrix of every readout of :data:`MATRICES` that a run has."""
    shown = [readout for readout in MATRICES if readout in record.readouts]
    matrices = {one: srcc_matrix(record, one) for one in shown}
    return matrix_grid(matrices, record.order, most_columns=2)


def plasticity_and_stability(record: RunRecord) -> Figure:
    """Draw plasticity and stability after every task, a line a readout."""
    use_style()
    figure, used = panels(2, 2, (WIDTH / 2 + 0.7, 3.4))
    for readout in record.readouts:
        colour, marker, line = READOUT_STYLES[readout]
        plasticity = metrics.plasticity(srcc_matrix(record, readout))
        stability = metrics.stability(agreement_matrix(record, readout))
        for axes, curve in zip(used, (plasticity, stability), strict=True):
            axes.plot(
                record.order, curve, color=colour, marker=marker, ls=line, label=readout, ms=5
            )
    for axes, title in zip(used, ("plasticity PI", "stability SI"), strict=True):
        axes.set(title=title, xlabel="after learning", ylabel=f"{title} (SRCC)")
        axes.set_ylim(min(-0.03, axes.dataLim.y0 - 0.05), 1.05)
        axes.set_xticks(range(len(record.order)), record.order, rotation=30, ha="right")
    if len(record.readouts) > 1:
        labelled = used[0].get_legend_handles_labels()
        figure.legend(*labelled, loc="outside right center", title="readout")
    return shown_once(figure)


def learning_curves(record: RunRecord) -> Figure:
    """Draw the loss of every epoch, a panel a task: the head alone (dashed), then step two.

    The strategy must learn by gradients: its history has losses.
    """
    use_style()
    curves = record.history.dropna(subset="loss").groupby("task", sort=False)
    figure, used = panels(len(curves), 3, (3.1, 2.2), sharey=True)
    colours = task_colours(record.order)
    for axes, (task, epochs) in zip(used, curves, strict=True):
        losses = epochs["loss"].to_numpy()
        head = int((epochs["step"] == "head").sum())
        number = np.arange(1, len(losses) + 1)
        axes.plot(number[:head], losses[:head], color=colours[task], lw=1.4, ls="--")
        axes.plot(number[head:], losses[head:], color=colours[task], lw=1.8, marker=".")
        if 0 < head < len(losses):
            axes.axvline(head + 0.5, color=GREY, lw=0.8)
        axes.locator_params(axis="x", integer=True)
        axes.set_title("all tasks" if record.description.all_at_once else task)
    figure.supxlabel("epoch (head alone | second step)", size="medium")
    figure.supylabel("mean loss", size="medium")
    return shown_once(figure)

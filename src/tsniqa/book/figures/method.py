"""Figures of the method's parts: loss, pairs, swapped normalization, gate."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tsniqa.book.style import GREY, PALETTE, SEQUENTIAL, WIDTH, shown_once, task_colours
from tsniqa.model.fidelity import fidelity_loss, in_batch_pairs, thurstone
from tsniqa.model.gating import TEMPERATURE, softmin_weights


def pair_loss(reach: float = 6.0) -> Figure:
    """Draw the fidelity loss of a pair, and its slope, against the difference of the two scores.

    Args:
        reach: Largest difference shown.

    Returns:
        Left the loss for both labels, right the slopes; cross-entropy in grey for comparison.
    """
    difference = torch.linspace(-reach, reach, 601, dtype=torch.float64, requires_grad=True)
    probability = thurstone(difference, torch.zeros_like(difference))
    figure, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 3.3))
    for label, colour in ((1, PALETTE[0]), (0, PALETTE[1])):
        target = torch.full_like(probability, label)
        loss = fidelity_loss(probability, target)
        (slope,) = torch.autograd.grad(loss.sum(), difference, retain_graph=True)
        name = f"$p = {label}$"
        _curve(left, difference, loss, colour, name)
        _curve(right, difference, slope, colour, name)
    entropy = -torch.log(probability)
    (slope,) = torch.autograd.grad(entropy.sum(), difference)
    _curve(left, difference, entropy, GREY, "cross-entropy, $p = 1$", "--")
    _curve(right, difference, slope, GREY, "cross-entropy, $p = 1$", "--")
    left.set(title="loss", ylabel=r"loss $\ell(p, \hat p)$", ylim=(-0.05, 1.6))
    right.set(title="slope", ylabel=r"slope $d\ell / d\Delta$", ylim=(-0.8, 0.4))
    for axes in (left, right):
        axes.set_xlabel(r"difference of scores $\Delta = q(x) - q(y)$")
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return shown_once(figure)


def _curve(
    axes: Axes, x: torch.Tensor, y: torch.Tensor, colour: object, label: str, line: str = "-"
) -> None:
    axes.plot(x.detach(), y.detach(), line, color=colour, label=label, linewidth=2)


def pairs(mos: Sequence[float]) -> Figure:
    """Draw the pairs that a batch gives: all within it, against images loaded pair by pair.

    Args:
        mos: Labels of a batch, an even number of images.

    Returns:
        Images on a circle, coloured by label; a line is a pair. Tied pairs, which are dropped, are
        dashed.
    """
    values = torch.tensor(mos, dtype=torch.float64)
    first, second, _ = in_batch_pairs(values)
    kept = set(zip(first.tolist(), second.tolist(), strict=True))
    every = [(i, j) for j in range(len(mos)) for i in range(j)]
    loaded = [(i, i + 1) for i in range(0, len(mos), 2)]
    figure, grid = plt.subplots(1, 2, figsize=(WIDTH, 3.9), sharex=True, sharey=True)
    for axes, lines, way in zip(grid, (every, loaded), ("in-batch", "loaded"), strict=True):
        count = sum(pair in kept for pair in lines)
        points = _draw_pairs(axes, mos, lines, kept)
        axes.set_title(f"{way}: {count} pairs from {len(mos)} images")
    figure.colorbar(points, ax=grid, label="MOS", shrink=0.75)
    return shown_once(figure)


def _draw_pairs(
    axes: Axes, mos: Sequence[float], lines: list[tuple[int, int]], kept: set[tuple[int, int]]
) -> object:
    angle = np.pi / 2 - 2 * np.pi * np.arange(len(mos)) / len(mos)
    x, y = np.cos(angle), np.sin(angle)
    for i, j in lines:
        tied = (i, j) not in kept
        style = {"linestyle": ":", "color": PALETTE[3]} if tied else {"color": "0.6"}
        axes.plot(x[[i, j]], y[[i, j]], linewidth=1.2, zorder=1, **style)
    points = axes.scatter(x, y, c=mos, s=330, cmap=SEQUENTIAL, edgecolors="white", zorder=2)
    for i, value in enumerate(mos):
        axes.annotate(
            f"{value:.3g}", (1.33 * x[i], 1.3 * y[i]), ha="center", va="center", fontsize="small"
        )
    axes.set(xlim=(-1.55, 1.55), ylim=(-1.5, 1.5), aspect="equal")
    axes.set_axis_off()
    return points


def swapped_scores(scores: pd.DataFrame, head: str) -> Figure:
    """Draw the scores of a few images by one head under several normalizations.

    Args:
        scores: One row an image, one column a normalization, in the order of swapping.
        head: Name of the task whose head is used.

    Returns:
        One line an image.
    """
    figure, axes = plt.subplots(figsize=(WIDTH, 3.4))
    places = np.arange(scores.shape[1])
    ranked = scores.iloc[:, 0].rank(method="first").to_numpy() - 1
    colours = plt.get_cmap(SEQUENTIAL)(ranked / max(1, len(scores) - 1) * 0.9)
    for values, colour in zip(scores.to_numpy(), colours, strict=True):
        axes.plot(places, values, "o-", color=colour, linewidth=1.5, markersize=5)
    axes.set_xticks(places, scores.columns)
    axes.set(
        xlabel="normalization in the network, step by step",
        ylabel=f"score by the head of {head}",
        xlim=(-0.25, len(places) - 0.75),
    )
    return shown_once(figure)


def gate(
    distances: np.ndarray,
    names: Sequence[str],
    images: Sequence[str],
    temperature: float = TEMPERATURE,
) -> Figure:
    """Draw how distances become weights for a few images.

    Args:
        distances: Of the gate, [n, T, stages].
        names: Names of the T tasks, sorted.
        images: What to call the n images.
        temperature: Of the gate.

    Returns:
        Left the distances (mean over stages), right the weights as stacked bars.
    """
    size = (WIDTH, 1.5 + 0.42 * len(images))
    figure, (left, right) = plt.subplots(1, 2, figsize=size, sharey=True)
    colours, rows = task_colours(names), np.arange(len(images))
    weights = softmin_weights(distances, temperature)
    start = np.zeros(len(images))
    for column, name in enumerate(names):
        mean = distances[:, column].mean(axis=1)
        offset = 0.09 * (column - (len(names) - 1) / 2)  # or equal distances would hide each other
        left.scatter(mean, rows + offset, color=colours[name], s=40, zorder=2, linewidths=0)
        right.barh(rows, weights[:, column], left=start, color=colours[name], label=name)
        start += weights[:, column]
    left.set_yticks(rows, images)
    left.invert_yaxis()
    left.set(title="distances", xlabel="distance to the nearest centroid")
    right.set(title=f"weights at temperature {temperature:g}", xlabel="weight", xlim=(0, 1))
    left.set_ylabel("test image of")
    figure.legend(*right.get_legend_handles_labels(), loc="outside lower center", ncols=6)
    return shown_once(figure)


def temperature(distances: np.ndarray, temperatures: Sequence[float] | None = None) -> Figure:
    """Draw how hard the gate decides: mean sorted weights against the temperature.

    Args:
        distances: Of the gate, [N, T, stages].
        temperatures: Positive factors on the distances; by default 1 to 1,024.

    Returns:
        Stacked bands: the largest weight at the bottom, then the second, and so on; the paper's
        temperature is marked.
    """
    values = np.geomspace(1, 1024, 41) if temperatures is None else np.asarray(temperatures)
    bands = np.stack(
        [-np.sort(-softmin_weights(distances, value), axis=1).mean(axis=0) for value in values]
    )
    figure, axes = plt.subplots(figsize=(WIDTH, 3.3))
    count = bands.shape[1]
    colours = plt.get_cmap("cividis")(np.linspace(0, 0.95, count))
    names = ["largest weight", "second", "third", *(f"number {i}" for i in range(4, count + 1))]
    axes.stackplot(values, bands.T, colors=colours, labels=names[:count], linewidth=0)
    axes.axvline(TEMPERATURE, color="white", linewidth=3.5)
    axes.axvline(TEMPERATURE, color="black", linestyle="--", linewidth=1.5)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set(
        xlabel=r"temperature $\tau$ (dashed: the paper's)",
        ylabel="mean weight, summed",
        xlim=(values[0], values[-1]),
        ylim=(0, 1),
    )
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(handles[::-1], labels[::-1], loc="center left", bbox_to_anchor=(1, 0.5))
    return shown_once(figure)


def parts(counts: Mapping[str, int], held: Mapping[str, str]) -> Figure:
    """Draw how many numbers each part of a model takes, on a logarithmic axis.

    Args:
        counts: Numbers by part; parts without any are shown as an empty bar.
        held: For the same parts, ``"once"`` or ``"per task"``.
    """
    figure, axes = plt.subplots(figsize=(WIDTH, 0.9 + 0.36 * len(counts)))
    colours = {"once": GREY, "per task": PALETTE[0]}
    for row, (name, count) in enumerate(counts.items()):
        axes.barh(row, count, color=colours[held[name]])
        axes.annotate(f" {count:,}", (max(count, 10), row), va="center", fontsize="small")
    axes.set_yticks(range(len(counts)), list(counts))
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set(xlabel="numbers", xlim=(10, 20 * max(counts.values())))
    axes.grid(axis="y", visible=False)
    bars = [plt.Rectangle((0, 0), 1, 1, color=colour) for colour in colours.values()]
    axes.legend(bars, [f"held {kind}" for kind in colours], loc="lower right")
    return shown_once(figure)

"""Figures of the pretext that the mini backbone is trained on."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from tsniqa.book.style import GREY, PALETTE, SEQUENTIAL, WIDTH, shown_once
from tsniqa.synthetic.pretext import CLASSES, LEVELS, TYPES, PretextEpoch


def distortion_levels(
    pristine: NDArray[np.uint8],
    distorted: NDArray[np.uint8],
    names: Sequence[str],
    levels: Sequence[int],
) -> Figure:
    """Show one scene as it is and under several distortions.

    Args:
        pristine: The scene [H, W, 3], 8-bit RGB.
        distorted: Images [D, L, H, W, 3], 8-bit RGB.
        names: The D distortions, one row each.
        levels: The L levels, one column each.

    Returns:
        One row a distortion; the pristine scene is the first column.
    """
    rows, columns = len(names), 1 + len(levels)
    size = (WIDTH, 0.3 + rows * WIDTH / columns * 0.95)
    figure, grid = plt.subplots(rows, columns, figsize=size, squeeze=False)
    for row, name, images in zip(grid, names, distorted, strict=True):
        for axes, image in zip(row, [pristine, *images], strict=True):
            axes.imshow(image, interpolation="lanczos")
            axes.set(xticks=[], yticks=[])
            sns.despine(ax=axes, left=True, bottom=True)
        row[0].set_ylabel(name)
    for axes, title in zip(grid[0], ["pristine", *(f"level {n}" for n in levels)], strict=True):
        axes.set_title(title)
    return shown_once(figure)


def pretext_curves(epochs: Sequence[PretextEpoch]) -> Figure:
    """Draw the training loss and the validation accuracies over the epochs.

    Args:
        epochs: The accounts of a pretraining, in order.

    Returns:
        Left the loss, with that of a guess; right the accuracies, with those of a guess.
    """
    numbers = [epoch.epoch for epoch in epochs]
    figure, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 3.0))
    left.plot(numbers, [epoch.loss for epoch in epochs], color=PALETTE[0], marker="o", ms=3)
    left.axhline(np.log(CLASSES), color=GREY, ls=":", label=f"even guess among {CLASSES} classes")
    left.set(title="Training", xlabel="epoch", ylabel="cross-entropy (nats)", ylim=(0, None))
    left.legend()
    looks = {"type": ("o", 1 / len(TYPES)), "level": ("s", 1 / LEVELS), "both": ("^", 1 / CLASSES)}
    for (name, (marker, chance)), colour in zip(looks.items(), PALETTE, strict=False):
        shares = [getattr(epoch.validation, name) for epoch in epochs]
        right.plot(numbers, shares, color=colour, marker=marker, ms=4, label=name)
        right.axhline(chance, color=colour, ls=":", lw=1)
    right.set(title="Validation scenes", xlabel="epoch", ylim=(0, 1))
    right.set_ylabel("share of images named rightly")
    right.legend(title="dotted: even guess")
    for axes in (left, right):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return shown_once(figure)


def confusion_of_types(shares: NDArray[np.float64]) -> Figure:
    """Draw which types are taken for which.

    Args:
        shares: Float64 [types, types] from :func:`tsniqa.synthetic.pretext.confusion`.

    Returns:
        A heatmap, true types as rows; cells under 5 % bear no number.
    """
    figure, axes = plt.subplots(figsize=(WIDTH, 6.4))
    percent = 100 * shares
    sns.heatmap(
        percent,
        cmap=SEQUENTIAL,
        vmin=0,
        vmax=100,
        square=True,
        annot=np.array([[f"{v:.0f}" if v >= 5 else "" for v in row] for row in percent]),
        fmt="",
        annot_kws={"size": 7},
        xticklabels=TYPES,
        yticklabels=TYPES,
        cbar_kws={"label": "share of the true type (%)", "shrink": 0.7},
        ax=axes,
    )
    axes.set(title="Named type against true type", xlabel="named", ylabel="true")
    axes.tick_params(axis="x", rotation=90)
    return shown_once(figure)

"""Scores beside people's opinions, and what a model remembers of a task's own images."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from tsniqa import metrics
from tsniqa.book.style import (
    GREY,
    PALETTE,
    READOUT_STYLES,
    Colour,
    panels,
    shown_once,
    use_style,
)
from tsniqa.model.profiles import TaskProfile, fit_scale

SMALL = (3.3, 2.5)  # in inches: of a figure of which two stand side by side
INK = ".15"  # of texts in the theme, which a report turns light on dark pages
_MANY = 2000  # points of a vector figure; more become a raster


def srcc_intervals(found: pd.DataFrame) -> Figure:
    """Draw rank correlations, a row a task, with their intervals where there are some.

    Args:
        found: The columns ``task``, ``readout`` (in :data:`.READOUT_STYLES`, or any name),
            ``srcc``, ``low`` and ``high`` (NaN: no interval), in the order to be drawn.
    """
    use_style()
    tasks, readouts = (list(dict.fromkeys(found[name])) for name in ("task", "readout"))
    height = 0.9 + len(tasks) * (0.16 + 0.13 * len(readouts))
    figure, (axes,) = panels(1, 1, (4.6, height + 0.5 * (len(readouts) > 1)))
    for number, readout in enumerate(readouts):
        colour, marker, _ = READOUT_STYLES.get(readout, (PALETTE[0], "o", "-"))
        own = found[found["readout"] == readout]
        shift = (number - (len(readouts) - 1) / 2) * 0.13
        place = [tasks.index(task) + shift for task in own["task"]]
        axes.hlines(place, own["low"], own["high"], color=colour, lw=1.5, alpha=0.7)
        axes.plot(own["srcc"], place, marker, color=colour, ms=6, ls="", label=readout)
    axes.set_yticks(range(len(tasks)), tasks)
    axes.set_ylim(len(tasks) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("SRCC" + (" (95% interval)" if found["low"].notna().any() else ""))
    low = found[["srcc", "low"]].min(axis=None)
    axes.set_xlim(min(0, np.nan_to_num(low) - 0.05), 1.02)
    if len(readouts) > 1:
        figure.legend(loc="outside lower center", ncols=3)
    return shown_once(figure)


def opinions_by_score(
    scores: np.ndarray, mos: np.ndarray, mos_range: tuple[float, float], colour: Colour = PALETTE[0]
) -> Figure:
    """Draw every image's opinion over its score, and the rising logistic that fits them best.

    Args:
        scores: Of n images.
        mos: Their opinions.
        mos_range: Ends of the opinion scale.
        colour: Of the points.
    """
    use_style()
    figure, (axes,) = panels(1, 1, SMALL)
    own = {"s": 14, "alpha": 0.7, "linewidths": 0, "rasterized": len(scores) > _MANY}
    axes.scatter(scores, mos, color=[colour], **own)
    fitted = fit_scale(scores, mos, mos_range)
    if fitted is not None:
        x = np.linspace(scores.min(), scores.max(), 80)
        axes.plot(x, metrics.logistic(x, *fitted), color=INK, lw=1.8)
    axes.set(xlabel="score", ylabel="opinion (MOS)")
    return shown_once(figure)


def scale_curve(profile: TaskProfile, colour: Colour = PALETTE[0]) -> Figure:
    """Draw the curve from scores to a task's opinion scale; its profile must have one."""
    use_style()
    figure, (axes,) = panels(1, 1, SMALL)
    x = np.linspace(-3, 3, 80)
    axes.plot(x, profile.on_scale(x), color=colour, lw=2.2)
    low, high = profile.mos_range
    axes.set_ylim(low - 0.03 * (high - low), high + 0.03 * (high - low))
    axes.set(xlabel="score (standard deviations)", ylabel="opinion scale")
    return shown_once(figure)


def usual_distances(
    profile: TaskProfile, colour: Colour = PALETTE[0], given: Sequence[float] = ()
) -> Figure:
    """Draw how far a task's held-out images are from its centroids, by percentile.

    Args:
        profile: The task's.
        colour: Of the curve.
        given: Distances of other images, which are ticks on the axis.
    """
    use_style()
    figure, (axes,) = panels(1, 1, SMALL)
    axes.plot(profile.distances, range(len(profile.distances)), color=colour, lw=2.2)
    axes.axvline(profile.distances[50], color=GREY, lw=0.8, ls=":")
    axes.plot(given, np.full(len(given), -4), "|", color=PALETTE[3], ms=7, alpha=0.6)
    axes.set(xlabel="distance to the centroids", ylabel="% of images nearer")
    axes.set_ylim(-8, 104)
    return shown_once(figure)

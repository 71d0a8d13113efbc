"""Differences between strategies with their intervals."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from tsniqa.book.style import GREY, PALETTE, WIDTH, panels, shown_once, use_style
from tsniqa.study.bootstrap import MEAN


def intervals(found: Mapping[str, pd.DataFrame], rows: str = "task") -> Figure:
    """Draw differences with their 95% intervals; those that are not resolved are hollow and grey.

    Where some differences are of one run and others of several, the labels of the former say so.

    Args:
        found: Title of every panel and its differences, from
            :func:`tsniqa.study.bootstrap.differences` or ``simultaneous``; the same rows in each.
        rows: The column that names the rows, ``task`` or ``first``.
    """
    use_style()
    first = next(iter(found.values()))
    alone = (first["runs"] == "one run") & (first["runs"].nunique() > 1)
    names = (first[rows] + alone.map({True: " (one run)", False: ""})).tolist()
    columns = min(2, len(found))
    size = ((WIDTH + 1) / columns, 0.3 * len(names) + 1.1)
    figure, used = panels(len(found), columns, size, sharex=True, sharey=True)
    for axes, (title, table) in zip(used, found.items(), strict=True):
        axes.axvline(0, color=GREY, lw=1)
        for position, row in enumerate(table.itertuples()):
            resolved = row.verdict in ("higher", "lower")
            colour, face = (PALETTE[0], PALETTE[0]) if resolved else (GREY, "white")
            marker = "D" if row.task == MEAN else "o"
            axes.hlines(position, row.low, row.high, color=colour, lw=2)
            axes.plot(row.difference, position, marker, color=colour, mfc=face, mew=1.5, ms=7)
        axes.set_title(title)
    used[0].set_yticks(range(len(names)), names)
    used[0].set_ylim(len(names) - 0.5, -0.5)
    figure.supxlabel("difference in SRCC after the last task (95% interval)", size="medium")
    return shown_once(figure)

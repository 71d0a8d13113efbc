"""What all figures share: theme, colours that a colour-blind reader can tell apart, one display."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.figure import Figure

Colour = tuple[float, float, float]

PALETTE: list[Colour] = [tuple(colour) for colour in sns.color_palette("colorblind", 10)]
"""Ten colours from seaborn's palette for colour-blind readers; red, green, blue in [0, 1]."""

GREY: Colour = (0.45, 0.45, 0.45)
"""For reference lines, bounds and everything that is context rather than result."""

SEQUENTIAL = "viridis"
"""Colour map of heatmaps: perceptually uniform, and legible in grey."""

WIDTH = 7.5
"""Width in inches that fills the text column of the book."""

_KNOWN_TASKS = (
    ("live-challenge", "live", "csiq", "bid", "koniq-10k", "kadid-10k"),
    ("mini-live", "mini-csiq", "mini-bid", "mini-clive", "mini-koniq", "mini-kadid"),
    (
        "live-challenge",
        "biq2021-personal",
        "biq2021-degraded",
        "biq2021-unsplash",
        "avt-h265",
        "avt-ai",
    ),
)

_DARK: list[Colour] = [tuple(colour) for colour in sns.color_palette("dark", 10)]

STRATEGY_COLOURS: dict[str, Colour] = {
    "tsn": PALETTE[0],
    "sequential": PALETTE[3],
    "head-only": PALETTE[1],
    "joint": PALETTE[2],
    "separate": PALETTE[4],
    "tsn-shared-prefix": PALETTE[9],
    "affine-only": _DARK[0],
    "ridge": PALETTE[8],
    "piggyback": PALETTE[5],
    "multihead": _DARK[3],
    "lwf": PALETTE[6],
    "ewc": _DARK[6],
    "si": _DARK[4],
    "mas": _DARK[5],
    "unique": _DARK[2],
    "replay-shared": PALETTE[7],
    "replay-multihead": _DARK[7],
    "icarl-v1": _DARK[8],
    "icarl-v2": _DARK[9],
    "gdumb": _DARK[1],
}
"""One colour a strategy, the same on every page; dark shades where ten hues do not suffice."""


def use_style() -> None:
    """Set the theme of all figures drawn afterwards."""
    sns.set_theme(context="notebook", style="whitegrid", palette="colorblind", font_scale=0.9)
    plt.rcParams.update(
        {
            "figure.dpi": 110,
            "savefig.dpi": 110,
            "savefig.bbox": "tight",
            "figure.constrained_layout.use": True,
            "axes.titlesize": "medium",
            "axes.titleweight": "bold",
            "axes.edgecolor": "0.7",
            "legend.frameon": False,
            "grid.color": "0.9",
        }
    )


def task_colours(names: Sequence[str]) -> dict[str, Colour]:
    """Give every task its colour.

    Args:
        names: Task names in any order; a user's own names are allowed.

    Returns:
        Colour by name, in the order given. Known tasks have the same colour on every page, whatever
        other tasks are shown; others take the unused colours in name order (beyond ten tasks,
        colours repeat).
    """
    fixed = {
        name: PALETTE[position]
        for family in _KNOWN_TASKS
        for position, name in enumerate(family)
        if name in names
    }
    free = [colour for colour in PALETTE if colour not in fixed.values()] or PALETTE
    others = sorted(set(names) - set(fixed))
    given = {name: free[position % len(free)] for position, name in enumerate(others)}
    return {name: (fixed | given)[name] for name in names}


def shown_once(figure: Figure) -> Figure:
    """Detach a figure from pyplot, so that a notebook shows it once: as the value of its cell.

    A figure that pyplot still holds would be shown a second time when the cell ends.

    Args:
        figure: The finished figure.

    Returns:
        The same figure.
    """
    plt.close(figure)
    return figure

"""What all figures share: theme, colours that a colour-blind reader can tell apart, one display."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

Colour = tuple[float, float, float]

# Red, green, blue in [0, 1]; the first ten for colour-blind readers.
PALETTE: list[Colour] = [tuple(colour) for colour in sns.color_palette("colorblind", 10)]
PALETTE[8] = (0.58, 0.545, 0.0)  # its yellow is lost on white, and on a dark page
_DARK: list[Colour] = [tuple(colour) for colour in sns.color_palette("dark", 10)]
_BRIGHT: list[Colour] = [tuple(colour) for colour in sns.color_palette("bright", 10)]
GREY: Colour = (0.45, 0.45, 0.45)  # of what is context rather than result: bounds, reference lines
SEQUENTIAL = "viridis"  # of heatmaps: perceptually uniform, and legible in grey
WIDTH = 7.5  # in inches: fills the text column of the book

# Of the presets; a task's place is the number of its colour, so what is in two is first in both.
_STREAMS = (
    "live-challenge live csiq bid koniq-10k kadid-10k",
    "live-challenge biq2021-ss01 biq2021-ss02 biq2021-ss03 avt-h265 hecd",
    "mini-live mini-csiq mini-bid mini-clive mini-koniq mini-kadid",
)

# One a strategy, the same on every page; other shades where ten hues do not suffice.
STRATEGY_COLOURS: dict[str, Colour] = {
    "tsn": PALETTE[0],
    "sequential": PALETTE[3],
    "head-only": PALETTE[1],
    "joint": PALETTE[2],
    "separate": PALETTE[4],
    "tsn-adapters": _BRIGHT[6],
    "tsn-depthwise": _BRIGHT[4],
    "tsn-shared-prefix": PALETTE[9],
    "affine-only": _DARK[0],
    "statistics-only": _BRIGHT[0],
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

# Colour, marker and line style: told apart without colour, too.
READOUT_STYLES: dict[str, tuple[Colour, str, str]] = {
    "oracle": (PALETTE[2], "s", "--"),
    "gated": (PALETTE[0], "o", "-"),
    "calibrated": (PALETTE[8], "*", "-"),
    "set": (PALETTE[7], "h", "--"),
    "centred": (PALETTE[9], "D", "-"),
    "hard": (PALETTE[1], "^", "-."),
    "uniform": (PALETTE[4], "v", ":"),
    "latest": (PALETTE[3], "X", "--"),
    "half": (PALETTE[5], "P", "-."),
    "single": (PALETTE[0], "o", "-"),
}


def use_style() -> None:
    """Set the theme of all figures drawn afterwards."""
    own = {
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
    sns.set_theme(style="whitegrid", palette="colorblind", font_scale=0.9, rc=own)


def task_colours(names: Sequence[str]) -> dict[str, Colour]:
    """Give every task its colour, in the order given.

    Tasks of presets have the same colour on every page, that of their place in the stream; a user's
    own take the unused colours in name order (beyond ten tasks, colours repeat).
    """
    known = {name: PALETTE[i] for stream in _STREAMS for i, name in enumerate(stream.split())}
    return _coloured(names, known)


def strategy_colours(names: Sequence[str]) -> dict[str, Colour]:
    """Give every strategy its colour; unknown ones take, in name order, what those shown leave."""
    return _coloured(names, STRATEGY_COLOURS)


def _coloured(names: Sequence[str], known: Mapping[str, Colour]) -> dict[str, Colour]:
    fixed = {name: known[name] for name in names if name in known}
    free = [colour for colour in PALETTE if colour not in fixed.values()] or PALETTE
    others = sorted(set(names) - set(fixed))
    given = {name: free[position % len(free)] for position, name in enumerate(others)}
    return {name: (fixed | given)[name] for name in names}


def panels(
    count: int, most_columns: int, size: tuple[float, float], **shared: bool
) -> tuple[Figure, list[Axes]]:
    """Make a figure of panels, returned row by row, without empty ones at its end.

    Args:
        count: Number of panels, at least 1.
        most_columns: How many fit into a row.
        size: Width and height of a panel, in inches.
        **shared: ``sharex`` and ``sharey``, as matplotlib takes them.
    """
    columns = min(count, most_columns)
    rows = -(-count // columns)
    figure, grid = plt.subplots(
        rows, columns, figsize=(columns * size[0], rows * size[1]), squeeze=False,
        layout="constrained", **shared,
    )  # fmt: skip
    figure.get_layout_engine().set(h_pad=0.06, w_pad=0.06, hspace=0.04)  # titles off axes above
    for axes in grid.flat[count:]:
        axes.remove()
    used = list(grid.flat[:count])
    for axes in used[max(0, count - columns) :]:
        axes.tick_params(labelbottom=True)  # also above a panel that is not there
    return figure, used


def shown_once(figure: Figure) -> Figure:
    """Detach a figure from pyplot, which would show it a second time when the cell ends."""
    plt.close(figure)
    return figure

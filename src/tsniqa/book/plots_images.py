"""Test images in rows, with what there is to say of each."""

from collections.abc import Mapping
from io import BytesIO

import pandas as pd
from IPython.display import Image
from matplotlib.figure import Figure

from tsniqa.book.style import panels, shown_once, task_colours, use_style
from tsniqa.pixels import decode


def image_rows(rows: Mapping[str, pd.DataFrame]) -> Figure:
    """Show images, one row a task.

    Args:
        rows: By task, a table with one row an image, as many as every other task's: ``path``,
            ``what`` (why it is shown: the title of its column) and ``text`` (written below it).
    """
    use_style()
    columns = len(next(iter(rows.values())))
    figure, used = panels(len(rows) * columns, columns, (7.5 / columns, 7.5 / columns + 0.35))
    images = [(task, row) for task, table in rows.items() for row in table.itertuples()]
    colours = task_colours(list(rows))
    for position, (axes, (task, row)) in enumerate(zip(used, images, strict=True)):
        axes.imshow(decode(row.path), interpolation="lanczos")
        axes.set_xlabel(row.text, size="small")
        axes.set(xticks=[], yticks=[])
        axes.grid(False)
        axes.spines[:].set_visible(False)
        if position < columns:
            axes.set_title(row.what)
        if position % columns == 0:
            axes.set_ylabel(task, fontweight="bold", color=colours[task])
    return shown_once(figure)


def as_photograph(figure: Figure) -> Image:
    """Make a figure of photographs a JPEG, a fifth of what a lossless file of noise weighs."""
    stored = BytesIO()
    figure.savefig(stored, format="jpeg", dpi=80, pil_kwargs={"quality": 80})
    return Image(stored.getvalue(), format="jpeg")

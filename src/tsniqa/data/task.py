"""A task: one rated dataset with its split, as a frozen value. Nothing here decodes an image."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from tsniqa.errors import DataError, missing_image, unknown_name
from tsniqa.paths import remembered_digest

#: Columns of a task's table: text, float, float (NaN where unpublished), text, text.
COLUMNS = ("image", "mos", "std", "split", "reference")
PARTS = ("train", "val", "test")
SMALLEST_PART = 3  # two images give a rank correlation of 1 or -1 whatever the model


@dataclass(frozen=True, eq=False)
class Task:
    """One dataset with subjective quality labels.

    Attributes:
        name: What users call the task; also the source of its seeds.
        root: Folder that image paths are relative to.
        table: One row an image with the columns :data:`COLUMNS`; a higher ``mos`` is better,
            ``split`` is one of :data:`PARTS`, ``reference`` groups images of the same content.
        mos_range: Lowest and highest value of the rating scale.
        simulated: True if the labels come from simulated observers, not from people.
        recipe: For simulated tasks, the recipe version and seed that they are made from, and the
            sha256 of all pixels that came out.
    """

    name: str
    root: Path
    table: pd.DataFrame
    citation: str = ""
    licence: str = ""
    mos_range: tuple[float, float] = (0.0, 1.0)
    simulated: bool = False
    description: str = ""
    recipe: str = ""

    @property
    def made_here(self) -> bool:
        """True for a task that this package draws from a recipe."""
        return self.simulated and bool(self.recipe)

    def part(self, part: str) -> pd.DataFrame:
        """Return the rows of one of :data:`PARTS`, in table order, indexed from 0."""
        if part not in PARTS:
            raise unknown_name("part", part, PARTS)
        return self.table[self.table["split"] == part].reset_index(drop=True)

    def paths(self, part: str) -> list[Path]:
        """Return the image files of one part, in table order."""
        return [Path(self.root) / image for image in self.part(part)["image"]]

    def mos(self, part: str) -> np.ndarray:
        """Return the labels of one part as float64 [N], in table order."""
        return self.part(part)["mos"].to_numpy(dtype=np.float64)

    def fingerprint(self) -> str:
        """Return the sha256 (hex) that identifies what a run learns from; computed once.

        It covers names, split membership, order, labels and the bytes of every image; of a drawn
        task its pixels instead, as every version of a codec writes other bytes for the same ones.

        Raises:
            DataError: An image file is missing.
        """
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        digest = hashlib.sha256()
        digest.update(f"{self.name}\x1f{self.recipe if self.made_here else ''}\n".encode())
        for row in self.table.itertuples(index=False):
            fields = [row.image, row.split, repr(float(row.mos)), repr(float(row.std))]
            if not self.made_here:
                path = Path(self.root) / row.image
                try:
                    fields.append(remembered_digest(path))
                except OSError:
                    raise DataError(f"task '{self.name}': {missing_image(path)}") from None
            digest.update(("\x1f".join(fields) + "\n").encode())
        return digest.hexdigest()


def check_task(task: Task) -> None:
    """Raise a DataError with the first of a task's :func:`problems`, if it has any."""
    for problem in problems(task):
        raise DataError(f"task '{task.name}': {problem}")


def problems(task: Task) -> Iterator[str]:
    """Yield what is wrong with a task, a line each, without decoding an image."""
    images, known = task.table["image"], task.table["split"].isin(PARTS)
    for image in images[images.duplicated()]:
        yield f"image '{image}' is listed twice; keep one row"
    for image, part in zip(images[~known], task.table["split"][~known], strict=True):
        use = f"use {', '.join(PARTS)}, or leave the split column out"
        yield f"image '{image}' has split '{part}'; {use}"
    for image in images[~np.isfinite(task.table["mos"].to_numpy(dtype=np.float64))]:
        yield f"the mos of image '{image}' is not a finite number; correct it or remove the row"
    if small := too_small(task):
        yield small
    for part in PARTS if known.all() and not small else ():
        mos = task.mos(part)
        if len(mos) < SMALLEST_PART:
            yield (
                f"part '{part}' has {len(mos)} image(s), at least {SMALLEST_PART} are needed; add"
                " rated images or use another split (given, 0 to 9)"
            )
        elif np.ptp(mos) == 0:
            yield (
                f"every mos in part '{part}' is {mos[0]:g}, so no image ranks above another; check"
                " the mos column or use another split (given, 0 to 9)"
            )
    for path in (Path(task.root) / image for image in images):
        if not path.is_file():
            yield str(missing_image(path))


def too_small(task: Task) -> str:
    """Say that there are too few images for any split, or return an empty text."""
    if len(task.table) >= SMALLEST_PART * len(PARTS):
        return ""
    return (
        f"{len(task.table)} images are too few; train, val and test need at least"
        f" {SMALLEST_PART} each, so add rated images to {Path(task.root) / 'labels.csv'}"
    )

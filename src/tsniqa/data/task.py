"""A task: one rated dataset with its split, as a frozen value. Nothing here decodes an image."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from tsniqa.errors import DataError, missing_image, unknown_name
from tsniqa.paths import is_file, remembered_digest

#: Columns of a task's table: text, float, float (NaN where unpublished), text, text.
COLUMNS = ("image", "mos", "std", "split", "reference")
PARTS = ("train", "val", "test")
LARGEST_MOS = 1e6  # no rating scale reaches it, and float32 tells neighbours apart
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


def check_task(task: Task, allow_overlap: bool = False) -> None:
    """Raise a DataError with the first of a task's :func:`problems` or :func:`overlaps`, if any."""
    for problem in problems(task):
        raise DataError(f"task '{task.name}': {problem}")
    for overlap in () if allow_overlap else overlaps(task):
        raise DataError(
            f"task '{task.name}': {overlap}; correct the columns split and reference, or let"
            " tsniqa run draw a split (--split 0 to 9) or allow it (--allow-overlap)"
        )


def overlaps(task: Task) -> Iterator[str]:
    """Yield what is in more than one part of the split, a line each: contents, then images."""
    crossing = task.table.groupby("reference")["split"].nunique()
    for name in crossing.index[crossing > 1]:
        yield f"the images of reference '{name}' are in more than one part"
    for rows in same_images(task):
        if rows["split"].nunique() > 1:
            yield f"{', '.join(rows['image'])} are the same image, in more than one part"


def same_images(task: Task) -> Iterator[pd.DataFrame]:
    """Yield the rows of every image file that is there more than once, byte by byte."""
    for _, rows in task.table.groupby(_image_bytes(task), sort=False):
        if len(rows) > 1:
            yield rows


def shared_images(tasks: Sequence[Task]) -> Iterator[str]:
    """Yield what two tasks have in common, a line for each pair that shares image files."""
    held = {
        task.name: dict(zip(_image_bytes(task), task.table["image"], strict=True)) for task in tasks
    }
    for (one, mine), (other, its) in combinations(held.items(), 2):
        if both := mine.keys() & its.keys():
            first = min(mine[bits] for bits in both)
            yield (
                f"{len(both)} images of {one}, such as {first}, are images of {other}, too: what is"
                " tested for one may have been learned from for the other"
            )


def _image_bytes(task: Task) -> list[str]:
    """Name every image by its bytes; those of a drawn task, or missing, by task and path."""
    paths = [Path(task.root) / image for image in task.table["image"]]
    known = not task.made_here
    return [
        remembered_digest(path) if known and is_file(path) else f"{task.name} {path}"
        for path in paths
    ]


def problems(task: Task) -> Iterator[str]:
    """Yield what is wrong with a task, a line each, without decoding an image."""
    images, known = task.table["image"], task.table["split"].isin(PARTS)
    for image in images[images.duplicated()]:
        yield f"image '{image}' is listed twice; keep one row"
    for image, part in zip(images[~known], task.table["split"][~known], strict=True):
        use = f"use {', '.join(PARTS)}, or leave the split column out"
        yield f"image '{image}' has split '{part}'; {use}"
    for image, mos in zip(images, task.table["mos"].astype(float), strict=True):
        if not np.isfinite(mos):
            yield f"the mos of image '{image}' is not a finite number; correct it or remove the row"
        elif abs(mos) > LARGEST_MOS:
            yield f"the mos of image '{image}' is {mos:g}; scale all to at most {LARGEST_MOS:g}"
    if small := too_small(task):
        yield small
    if known.all() and not small:
        yield from _unusable_parts(task)
    for path in (Path(task.root) / image for image in images):
        if not is_file(path):
            yield str(missing_image(path))


def _unusable_parts(task: Task) -> Iterator[str]:
    """Yield which parts are too small, or rank no image above another."""
    for part in PARTS:
        mos = task.mos(part)
        if len(mos) < SMALLEST_PART:
            yield (
                f"part '{part}' has {len(mos)} image(s), at least {SMALLEST_PART} are needed; add"
                " rated images, or correct the split"
            )
        elif np.ptp(mos) == 0:
            yield (
                f"every mos in part '{part}' is {mos[0]:g}, so no image ranks above another; check"
                " the mos column and the split"
            )


def too_small(task: Task) -> str:
    """Say that there are too few images for any split, or return an empty text."""
    if len(task.table) >= SMALLEST_PART * len(PARTS):
        return ""
    return (
        f"{len(task.table)} images are too few; train, val and test need at least"
        f" {SMALLEST_PART} each, so add rated images to {task.root}"
    )

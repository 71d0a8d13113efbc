"""Checking a dataset on disk: everything that is wrong with it, not the first thing only."""

import os
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from tsniqa.data import catalogue
from tsniqa.data.cache import decode_each
from tsniqa.data.cards import load_cards
from tsniqa.data.catalogue import Source, locate, recognise, sources
from tsniqa.data.loading import not_found
from tsniqa.data.readers import labels_csv
from tsniqa.data.splits import resplit
from tsniqa.data.task import Task, overlaps, problems, same_images
from tsniqa.errors import ConfigError, DataError
from tsniqa.paths import is_file
from tsniqa.pixels import decode, image_endings


@dataclass
class Report:
    """What a check found: numbers of rated images and of those in order, and a line a finding."""

    source: Source
    images: tuple[int, int] = (0, 0)
    wrong: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  # worth knowing and harmless

    def lines(self) -> list[str]:
        """Return the report as lines: a heading, what is wrong, what is worth knowing."""
        rated, good = self.images
        verdict = f"{len(self.wrong)} wrong" if self.wrong else "nothing is wrong"
        folder = self.source.folder
        heading = f"{self.source.name} ({self.source.layout} layout, {folder}):"
        heading += f" {rated} rated images, {good} in order; {verdict}"
        lines = [f"  wrong: {text}" for text in self.wrong]
        lines += [f"  note: {text}" for text in self.notes]
        # The heading names the folder once for all lines.
        return [heading, *(line.replace(f"{folder}{os.sep}", "") for line in lines)]


def find(name: str | None, root: Path) -> list[Source]:
    """Find the datasets to check: that of a name, or all, in a data root or a dataset's own folder.

    Raises:
        ConfigError: The name is neither catalogued nor there.
        DataError: There is no dataset.
    """
    if name is None:
        if found := sources(root) or recognise(root):
            return found
        raise DataError(f"there is no dataset under {root}; see tsniqa data list")
    found = [locate(name, root), *recognise(root)]
    for source in found:
        if source and source.name == name:
            return [source]
    from tsniqa.synthetic.benchmark import MINI_TASKS

    if name in MINI_TASKS:
        raise ConfigError(
            f"'{name}' is drawn by a program, so there is nothing to check; leave it out"
        )
    raise not_found(name, root)


def check(source: Source) -> Report:
    """Report on a dataset: table, ratings, split, image files, their pixels, duplicates, count."""
    report = Report(source)
    try:
        if source.layout == "generic":
            task, report.wrong = labels_csv.inspect(source.name, source.folder)
        else:
            task = catalogue.read(source)
    except DataError as error:
        report.wrong.append(str(error))
        return report
    images = [Path(task.root) / image for image in task.table["image"]]
    present = [path for path in images if is_file(path)]
    broken = decode_each(present, lambda path: decode(path, task.root))
    report.images = (len(images), len(present) - len(broken))
    _check_table(task, report)
    report.wrong += [str(error) for error in broken.values()]
    card = load_cards().get(source.name)
    if card and len(images) != card.images:
        text = f"{len(images)} rated images, {card.images} were published"
        if source.layout == "generic":
            report.notes.append(f"{text}: a part of the dataset")
        else:
            report.wrong.append(f"{text}; get the dataset again")
    _note_extra(task, report)
    return report


def _check_table(task: Task, report: Report) -> None:
    """Check ratings, files and the split, which is drawn where none is given."""
    if report.wrong:  # rows whose rating cannot be read are named already
        task = replace(task, table=task.table[np.isfinite(task.table["mos"])])
    if (task.table["split"] == "").all():
        report.notes.append("no split is given, so split 0 is used (70/10/20 by reference)")
        try:
            task = resplit(task, "0")
        except DataError as error:
            report.wrong.append(str(error))
            return
    report.wrong += [*problems(task), *overlaps(task)]
    for rows in same_images(task):
        if rows["split"].nunique() == 1:  # harmless
            report.notes.append(f"{', '.join(rows['image'])} are the same image")


def _note_extra(task: Task, report: Report) -> None:
    """Count image files that the table does not list; references usually are among them."""
    endings = image_endings()
    files = (path for path in task.root.rglob("*") if path.suffix.lower() in endings)
    names = {path.relative_to(task.root).as_posix() for path in files}
    extra = sorted(names - set(task.table["image"]))
    if extra:
        shown = ", ".join(extra[:3]) + (", ..." if len(extra) > 3 else "")
        report.notes.append(f"{len(extra)} image files are not rated: {shown}")

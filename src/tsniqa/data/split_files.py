r"""The split files that the authors of TSN-IQA publish, so that their exact split can be run.

The files of split 1 of all six datasets are in https://github.com/zwx8981/BIQA_CL, under names that
the code of TSN-IQA (https://github.com/zwx8981/TSN-IQA) reads, for instance
``IQA_Database/databaserelease2/splits2/1/live_train_score.txt``, ``live_val.txt`` and
``live_test.txt``. Every row is ``path \t MOS \t standard deviation``, without a header, and ends in
a bare carriage return; paths are relative to the dataset's folder. ``live_train.txt`` and its like,
without ``_score``, are sampled pairs there and not read; of other datasets they may be such a list.

Only the membership is taken: labels stay those of the dataset. Those in the files only have to rank
alike, which finds lists of another dataset and of the other sign.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
import pandas as pd

from tsniqa.data.task import PARTS, Task
from tsniqa.errors import DataError, one_line
from tsniqa.metrics import srcc

log = logging.getLogger("tsniqa")

#: What the authors' files of a task begin with, where that is not its name, which may be too.
STEMS = {"live-challenge": "clive", "koniq-10k": "koniq10k", "kadid-10k": "kadid10k"}
#: What the file of a part ends with, in order of preference.
ENDINGS = {part: (f"_{part}.txt",) for part in PARTS}
ENDINGS["train"] = ("_train_score.txt", "_train.txt")
LEAST_AGREEMENT = 0.9  # rank correlation that the labels must exceed with those of the task


class _Row(NamedTuple):
    where: str
    part: str
    path: str
    mos: float


def import_split(task: Task, folder: Path) -> Task:
    """Replace a task's split by that of published split files.

    A row means the image whose path ends alike, in any case: either may have more folders in front.
    Where folders differ, a file name that occurs once on both sides is enough. Images that no file
    lists are left out, and their number is logged.

    Args:
        task: The task; its labels stay.
        folder: Where the three files are, at any depth; they lie in one folder.

    Raises:
        DataError: Files are missing, found more than once or malformed; an image is unknown,
            ambiguous or listed twice; parts share a reference; the labels rank otherwise.
    """
    rows = [row for part, path in _find(task, Path(folder)).items() for row in _read(path, part)]
    listed: dict[str, _Row] = {}
    for row, image in zip(rows, _match(task, rows), strict=True):
        if image in listed:
            wrong = f"'{row.path}' is already in {listed[image].where}"
            advice = "an image belongs to one part, so get the files again"
            raise DataError(f"{row.where}: {wrong}; {advice}")
        listed[image] = row
    table = task.table[task.table["image"].isin(listed)].reset_index(drop=True)
    table = table.assign(split=[listed[image].part for image in table["image"]])
    _check_references(task, table, listed)
    _check_ranks(task, table, listed, Path(folder))
    if left_out := len(task.table) - len(table):
        log.warning(
            "task '%s': %d of %d rated images are in none of the split files and are left out",
            task.name, left_out, len(task.table),
        )  # fmt: skip
    return replace(task, table=table)


def _find(task: Task, folder: Path) -> dict[str, Path]:
    """Find the files of the three parts, which lie in one folder."""
    stems = dict.fromkeys([STEMS.get(task.name, task.name), task.name])
    wanted = [
        {part: [f"{stem}{end}".lower() for end in ENDINGS[part]] for part in PARTS}
        for stem in stems
    ]
    by_folder: dict[Path, dict[str, Path]] = defaultdict(dict)
    for path in sorted(folder.rglob("*")):
        by_folder[path.parent][path.name.lower()] = path
    found = []
    for files in by_folder.values():
        for names in wanted:
            there = {part: [files[one] for one in names[part] if one in files] for part in PARTS}
            if all(there.values()):
                found.append({part: paths[0] for part, paths in there.items()})
    if not found:
        texts = (", ".join("/".join(names[part]) for part in PARTS) for names in wanted)
        raise DataError(
            f"task '{task.name}': no folder in {folder} holds its three split files,"
            f" {' or '.join(texts)}; put them there or leave out the import"
        )
    if len(found) > 1:
        places = " and ".join(str(paths["test"].parent) for paths in found[:2])
        raise DataError(
            f"task '{task.name}': {folder} has {len(found)} sets of its split files, such as in"
            f" {places}; name the folder that holds the one to use"
        )
    return found[0]


def _read(path: Path, part: str) -> list[_Row]:
    """Read one split file, whatever ends its lines."""
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")  # read_text turns all ends to \n
    except (OSError, UnicodeError) as error:
        raise DataError(f"{path} cannot be read ({one_line(error)}); get the file again") from None
    rows = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        where = f"{path} row {number}"
        fields = [field.strip() for field in line.split("\t")]
        if len(fields) < 2 or not fields[0]:
            raise DataError(
                f"{where}: '{line.strip()[:60]}' is not an image path and its MOS with a tab"
                " between; get the file again"
            )
        mos = float(pd.to_numeric(fields[1], errors="coerce"))
        if not np.isfinite(mos) and len(fields) == 6:
            wanted = path.name.replace("_train", "_train_score")
            raise DataError(f"{path} lists pairs of images, not images; put {wanted} beside it")
        if not np.isfinite(mos):
            wrong = f"the MOS is '{fields[1]}', it must be a finite number"
            raise DataError(f"{where} ({fields[0]}): {wrong}")
        rows.append(_Row(where, part, fields[0], mos))
    if not rows:
        raise DataError(f"{path} lists no image; get the file again")
    return rows


def _names(path: str) -> tuple[str, ...]:
    """Return the folders and the file name of a path, in lower case."""
    return PurePosixPath(path.replace("\\", "/").lower().lstrip("/")).parts


def _match(task: Task, rows: list[_Row]) -> Iterator[str]:
    """Yield the task's image that each row means."""
    ends: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for image in task.table["image"]:
        names = _names(image)
        for start in range(len(names)):
            ends[names[start:]].append(image)
    file_names = Counter(_names(row.path)[-1:] for row in rows)
    for row in rows:
        names = _names(row.path)
        common = next((names[i:] for i in range(len(names)) if names[i:] in ends), ())
        images = ends.get(common, [])
        whole = [image for image in images if common in (names, _names(image))]
        if len(whole) > 1:
            raise DataError(
                f"{row.where}: '{row.path}' may be '{whole[0]}' or '{whole[1]}' of task"
                f" '{task.name}'; write more of its path"
            )
        alone = file_names[names[-1:]] == len(ends.get(names[-1:], ())) == 1
        if not whole and not alone:
            raise DataError(
                f"{row.where}: task '{task.name}' has no image '{row.path}'; check that the split"
                f" files belong to {task.root}"
            )
        yield (whole or images)[0]


def _check_references(task: Task, table: pd.DataFrame, listed: dict[str, _Row]) -> None:
    """Refuse a split whose parts share content, which the authors' do not."""
    for reference, images in table.groupby("reference", sort=True):
        rows = [listed[image] for image in images.drop_duplicates("split")["image"]]
        if len(rows) > 1:
            raise DataError(
                f"task '{task.name}': the split puts reference '{reference}' into {rows[0].part}"
                f" ('{rows[0].path}') and {rows[1].part} ('{rows[1].path}'), so that parts share"
                " content; correct the split files or the reference column"
            )


def _check_ranks(task: Task, table: pd.DataFrame, listed: dict[str, _Row], folder: Path) -> None:
    """Refuse labels that rank otherwise than the task's; its NaN is for the check to report."""
    ours = table["mos"].to_numpy(np.float64)
    theirs = np.array([listed[image].mos for image in table["image"]])
    agreement = srcc(theirs[np.isfinite(ours)], ours[np.isfinite(ours)])
    if agreement > LEAST_AGREEMENT:
        return
    what = f"must rank the images as the task does, by more than {LEAST_AGREEMENT}"
    remedy = "check that they belong to this dataset"
    if agreement < -LEAST_AGREEMENT:
        what = "have the opposite sign"
        remedy = "one of the two is lower for the better image and must be turned round"
    raise DataError(
        f"task '{task.name}': the labels of the split files in {folder} {what} (rank correlation"
        f" {agreement:.3f} with the task's); {remedy}"
    )

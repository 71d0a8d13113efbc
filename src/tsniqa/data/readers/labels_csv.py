"""The generic layout: a folder with ``labels.csv`` and the images that it names.

``labels.csv`` has, in any case and order, the columns ``image`` (path relative to the folder) and
``mos`` (a number, higher is better), and optionally ``std``, ``split`` (train, val, test) and
``reference`` (images of the same content share it); other columns are left alone. ``dataset.yml``
may give ``description``, ``citation``, ``licence`` and ``mos_range``; without it the text of
``README.md`` stands in.
"""

import csv
import posixpath
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from tsniqa.data.readers import files
from tsniqa.data.task import COLUMNS, Task
from tsniqa.errors import DataError, one_line, unknown_name
from tsniqa.paths import is_file

LABELS = "labels.csv"  # a folder that holds one is a dataset
# What dataset.yml may hold: what users say, and what the drawn benchmark says of itself.
ABOUT = ("description", "citation", "licence", "mos_range")
DRAWN = ("simulated", "recipe_version", "seed", "pixels", "files")


def read(name: str, root: Path, labels: str = LABELS) -> Task:
    """Read a dataset in the generic layout, or raise a DataError that tells its first defect."""
    task, defects = inspect(name, root, labels)
    if defects:
        raise DataError(defects[0])
    return task


def inspect(name: str, root: Path, labels: str = LABELS) -> tuple[Task, list[str]]:
    """Read a dataset in the generic layout and list every row that cannot be used.

    Returns:
        The task in the order of image names, without the rows whose image cannot be named or is
        listed twice, with NaN where a number cannot be read, an empty ``split`` where there is
        none, and every image its own reference where none is given; and one line a defect.

    Raises:
        DataError: The table as a whole cannot be read, or ``dataset.yml`` is malformed.
    """
    root = Path(root)
    defects: list[str] = []
    raw = _read_rows(root / labels)
    images = _images(raw, root / labels, defects)
    raw = raw.loc[images.index]
    table = pd.DataFrame({"image": images})
    table["mos"] = _numbers(raw, "mos", root / labels, defects)
    table["std"] = _numbers(raw, "std", root / labels, defects) if "std" in raw else np.nan
    table["split"] = raw.get("split", "")
    reference = raw.get("reference", pd.Series("", index=raw.index))
    table["reference"] = reference.where(reference != "", table["image"])
    table = table[list(COLUMNS)].sort_values("image", ignore_index=True)
    about = {"mos_range": (float(table["mos"].min()), float(table["mos"].max()))}
    task = Task(name=name, root=root, table=table, **(about | _description(root)))
    defects += _beyond_range(task)
    return task, defects


def _read_rows(path: Path) -> pd.DataFrame:
    """Read the table as text, indexed by the row number that an editor or a spreadsheet shows.

    Fields are separated by commas, or by what the first line has more of: semicolons, as
    spreadsheets write them where a comma is the decimal point (which is then read), or tabs.
    """
    if not path.is_file():
        raise DataError(f"{path} is missing; a dataset folder needs it, with columns image and mos")
    remedy = "save it as UTF-8 CSV whose first line names image and mos"
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            separator = max(",;\t", key=file.readline().count)
            file.seek(0)
            header, *rows = list(csv.reader(file, delimiter=separator)) or [[]]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read ({one_line(error)}); {remedy}") from None
    header = [name.strip().lower() for name in header]
    if lacking := " and ".join(name for name in ("image", "mos") if name not in header):
        if lacking == "mos" and "dmos" in header:
            remedy = (
                "a column 'dmos' does not say which end is better: name it mos if more is better,"
                " else subtract it from the best value first"
            )
        raise DataError(
            f"{path} lacks the column {lacking} (it has {', '.join(header) or 'none'}); {remedy}"
        )
    _refuse_misspelt(header, path)
    for number, row in enumerate(rows, start=2):
        if any(field.strip() for field in row[len(header) :]):
            raise DataError(
                f"{path} row {number} has {len(row)} fields, the first line {len(header)}; write"
                " decimals with a point, and put a text with a comma in quotes"
            )
    whole = [[*row, *[""] * len(header)][: len(header)] for row in rows]
    raw = pd.DataFrame(whole, range(2, len(rows) + 2), header, dtype="str")  # row 1 is the header
    raw = raw.loc[:, ~raw.columns.duplicated()].apply(lambda column: column.str.strip())
    if separator != ",":
        for column in raw.columns.intersection(["mos", "std"]):
            raw[column] = raw[column].str.replace(r"^([+-]?\d+),(\d+)$", r"\1.\2", regex=True)
    raw = raw[(raw != "").any(axis=1)]
    if raw.empty:
        raise DataError(f"{path} lists no image; add one row an image")
    return raw


def _refuse_misspelt(header: list[str], path: Path) -> None:
    """Raise a DataError for a column that is nearly one that is read: its scenes would be lost."""
    for column in header:
        close = get_close_matches(column, COLUMNS, n=1, cutoff=0.8)
        if close and close[0] not in header:
            raise DataError(
                f"{path}: is the column '{column}' meant to be {close[0]}? Name it so, or otherwise"
            )


def _beyond_range(task: Task) -> list[str]:
    """Say which ratings are outside of the scale that ``dataset.yml`` states, if any."""
    low, high = task.mos_range
    beyond = task.table[(task.table["mos"] < low) | (task.table["mos"] > high)]
    if beyond.empty:
        return []
    return [
        f"{task.root / 'dataset.yml'}: mos_range is {low:g} to {high:g}, but {len(beyond)} of the"
        f" ratings are outside, such as {beyond['mos'].iloc[0]:g} of {beyond['image'].iloc[0]};"
        " correct the one or the other"
    ]


def _images(raw: pd.DataFrame, path: Path, defects: list[str]) -> pd.Series:
    """Return the usable image names by row number; note the others."""
    first: dict[str, int] = {}
    for row, text in raw["image"].items():
        # A name with backslashes comes from Windows, unless there is a file that is called so.
        own = is_file(path.parent / text)
        name = posixpath.normpath(text if own else text.replace("\\", "/"))
        if not text:
            wrong = "the image is empty; name a file or remove the row"
        elif max(len(part.encode()) for part in name.split("/")) > 255 or "\0" in name:
            wrong = f"no file can be called {name[:20]!r}...; correct the name"
        elif files.leaves(name):
            wrong = f"'{text}' leaves {path.parent}; give a path inside and relative to it"
        elif name in first:
            wrong = f"'{name}' is already in row {first[name]}; keep one of them"
        else:
            first[name] = row
            continue
        defects.append(one_line(f"{path} row {row}: {wrong}"))
    return pd.Series({row: name for name, row in first.items()}, dtype="str")


def _numbers(raw: pd.DataFrame, column: str, path: Path, defects: list[str]) -> pd.Series:
    """Parse a column of finite numbers; an empty ``std`` means that none was published."""
    values = pd.to_numeric(raw[column], errors="coerce").astype(np.float64)
    bad = ~np.isfinite(values)
    if column == "std":
        bad = (bad & (raw[column] != "")) | (values < 0)
    need = "a finite number" if column == "mos" else "empty or a number from 0"
    for row in raw.index[bad]:
        text = (
            f"{path} row {row} ({raw['image'][row]}): {column} is '{raw[column][row]}',"
            f" it must be {need}; correct it or remove the row"
        )
        defects.append(one_line(text))
    return values.where(~bad)


def _description(root: Path) -> dict[str, Any]:
    """Read ``dataset.yml``, or what ``README.md`` says, as keyword arguments of a task."""
    described = _from_readme(root / "README.md")
    path = root / "dataset.yml"
    if not path.is_file():
        return described
    try:
        stored = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        text = f"{path} is not valid YAML ({one_line(error)}); correct it or remove it"
        raise DataError(text) from None
    if not isinstance(stored, dict):
        raise DataError(f"{path} must hold 'key: value' lines, such as citation: ...")
    for key in sorted(map(str, stored.keys() - {*ABOUT, *DRAWN})):
        raise DataError(f"{path}: {unknown_name('key', key, ABOUT)}")
    for key in ("description", "citation", "licence"):
        if stored.get(key) is not None:
            described[key] = " ".join(str(stored[key]).split())
    if "mos_range" in stored:
        described["mos_range"] = _two_ends(stored["mos_range"], path)
    described["simulated"] = stored.get("simulated") is True
    made = ("recipe_version", "seed", "pixels")
    if described["simulated"] and stored.keys() >= set(made):
        described["recipe"] = ", ".join(f"{key} {stored[key]}" for key in made)
    return described


def _two_ends(stored: Any, path: Path) -> tuple[float, float]:
    try:
        low, high = (float(end) for end in stored)
    except (TypeError, ValueError):
        low = high = np.nan
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise DataError(f"{path}: mos_range is {stored}; give its two ends, such as [1, 5]")
    return low, high


def _from_readme(path: Path) -> dict[str, Any]:
    """Take the description from ``README.md``: its first line cites, the rest is not parsed."""
    if not path.is_file():
        return {"licence": "not stated"}
    text = path.read_text(encoding="utf-8", errors="replace")
    lines = [" ".join(line.split()).lstrip("# ") for line in text.split("\n") if line.strip()]
    return {
        "description": " ".join(lines),
        "citation": lines[0] if lines else "",
        "licence": "see the dataset's README.md",
    }

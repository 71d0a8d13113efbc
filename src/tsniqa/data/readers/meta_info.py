"""Meta-information tables: the CSV files that IQA-PyTorch (pyiqa) describes its datasets by.

Put one ``meta_info_<Name>Dataset.csv`` into the folder that its image names are relative to (the
toolbox's ``dataroot_target``). Its first line names the columns, in upper or lower case; fields are
separated by commas, or by tabs where the first line has no comma. Read are the columns
:data:`IMAGE`, :data:`RATING` and, if they are there, :data:`STD` and :data:`REFERENCE`.

The split is the column ``official_split``, else ``split``, else the only other column whose name
has ``split`` in it; values are train, val and test, or 0, 1 and 2. The toolbox's ten random splits
(``ratio802_seed123_split_01`` and so on) are nobody's publication and are left out, and so is a
split without all three parts, as this study draws such splits itself.

**Which end of the scale is better the table does not say**: the toolbox keeps that in its own
configuration. Its lower-is-better tables are known by their file names and turned round by
``top - value``, where top is the upper end of the scale that the toolbox states; one of them calls
its column ``mos``. A column ``dmos`` in any other file than KADID-10k's is refused; everything else
is taken as higher-is-better.

The table of LIVE Challenge lists seven training images (``t1.bmp`` to ``t7.bmp``) that lie
elsewhere and that the toolbox leaves out; remove these rows, or use the official layout.
"""

from fnmatch import fnmatch
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np
import pandas as pd

from tsniqa.data.readers import files
from tsniqa.data.task import PARTS
from tsniqa.errors import DataError

IMAGE = (
    "dist_name", "img_name", "img_name/patch_name", "img_path", "image_name", "image name", "name",
)  # fmt: skip
RATING = ("mos", "score", "elo_score", "dmos")
STD = ("std",)
REFERENCE = ("ref_name", "hq_name", "ref_img", "reference")
SPLIT = ("official_split", "official split", "split")

TOP_OF_LOWER_IS_BETTER = {
    "meta_info_csiqdataset.csv": 1.0,
    "meta_info_liveiqadataset.csv": 100.0,
    "meta_info_livemddataset.csv": 100.0,
}
"""The toolbox's lower-is-better tables, and the upper ends of their scales."""

DMOS_HIGHER_IS_BETTER = ("meta_info_kadid10kdataset.csv",)
"""The toolbox's tables whose ``dmos`` is higher-is-better all the same."""

_PART = {"0": "train", "1": "val", "2": "test", "": ""} | {part: part for part in PARTS}


def table_of(root: Path) -> Path | None:
    """Return the folder's meta-information table (the first if there are several), or None."""
    return next(iter(_tables(root)), None)


def read(root: Path) -> pd.DataFrame:
    """Read the dataset that a folder's only meta-information table describes.

    Raises:
        DataError: There are several tables; a column is missing or there are several for the same
            thing; an image's name leaves the folder; a part of the split is unknown; nothing tells
            which end of the scale is better.
    """
    tables = _tables(root)
    if len(tables) != 1:
        found = ", ".join(path.name for path in tables[:3]) + (", ..." if len(tables) > 3 else "")
        raise DataError(
            f"{root} has {len(tables)} tables meta_info*.csv{f' ({found})' if found else ''};"
            " put the one there that its images belong to"
        )
    path = tables[0]
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        tabs = "," not in file.readline()
    table = files.csv_table(path, [], sep="\t" if tabs else ",")
    table.columns = table.columns.str.lower()
    image, rating, std, reference = (
        _column(table, names, path) for names in (IMAGE, RATING, STD, REFERENCE)
    )
    for names, column in ((IMAGE, image), (RATING, rating)):
        if column is None:
            raise DataError(
                f"{path} has none of the columns {', '.join(names)} (it has {', '.join(table)});"
                " its first line must name the columns"
            )
    return files.rows(
        root,
        [_inside(root, name, path) for name in image],
        _higher_is_better(rating, path),
        std=std,
        reference=reference,
        split=_split(table, path),
    )


def _tables(root: Path) -> list[Path]:
    entries = sorted(Path(root).iterdir()) if Path(root).is_dir() else []
    return [path for path in entries if fnmatch(path.name.lower(), "meta_info*.csv")]


def _column(table: pd.DataFrame, names: tuple[str, ...], path: Path) -> pd.Series | None:
    """Return the only column that has one of several names, or None."""
    found = [column for column in table if column in names]
    if len(found) > 1:
        raise DataError(f"{path} has the columns {' and '.join(found)} for the same; keep one")
    return table[found[0]] if found else None


def _inside(root: Path, name: str, path: Path) -> str:
    """Return an image's path, or refuse one that leaves the folder."""
    parts = PurePosixPath(name).parts
    if not parts or parts[0] == "/" or ".." in parts or PureWindowsPath(name).drive:
        raise DataError(f"{path}: the image '{name}' is no path inside {root}; correct it")
    return "/".join(parts)


def _higher_is_better(values: pd.Series, path: Path) -> np.ndarray:
    name, ratings = path.name.lower(), files.numbers(values)
    if name in TOP_OF_LOWER_IS_BETTER:
        return TOP_OF_LOWER_IS_BETTER[name] - ratings
    if values.name == "dmos" and name not in DMOS_HIGHER_IS_BETTER:
        raise DataError(
            f"{path}: a column 'dmos' does not say which end is better; name it mos if more is"
            " better, else turn the ratings round first"
        )
    return ratings


def _split(table: pd.DataFrame, path: Path) -> pd.Series | None:
    """Return the published split, or None where there is none with all three parts."""
    columns = [column for column in table if "split" in column and "_seed" not in column]
    chosen = [column for column in SPLIT if column in columns] or columns
    if not chosen:
        return None
    if len(columns) > 1 and chosen[0] not in SPLIT:
        raise DataError(
            f"{path} has the splits {', '.join(columns)}, and none is called official_split or"
            " split; give the one to use that name"
        )
    values = table[chosen[0]].str.lower()
    strange = values[~values.isin(list(_PART))]
    if len(strange):
        raise DataError(
            f"{path}: '{strange.iloc[0]}' in the column {chosen[0]} is no part of a split; use"
            f" {', '.join(PARTS)} or 0, 1, 2"
        )
    parts = values.map(_PART)
    return parts if set(parts) >= set(PARTS) else None

"""Meta-information tables: the CSV files that IQA-PyTorch (pyiqa) describes its datasets by.

Put one ``meta_info_<Name>Dataset.csv`` into the folder that its image names are relative to (the
toolbox's ``dataroot_target``). Its first line names the columns, in upper or lower case; fields are
separated by commas, or by tabs where the first line has no comma. Read are the columns
:data:`IMAGE`, :data:`RATING` and, if they are there, :data:`STD` and :data:`REFERENCE`.

The split is the column ``official_split``, else ``split``, else the only other column whose name
has ``split`` in it; values are train, val and test, or 0, 1 and 2. The toolbox's ten random splits
(``ratio802_seed123_split_01`` and so on) are left out, and so is a split without all three parts.

**Which end of the scale is better the table does not say.** The toolbox's lower-is-better tables
are known by their file names and turned round by ``top - value``, where top is the upper end of the
scale that the toolbox states; one of them calls its column ``mos``. A column ``dmos`` in any other
file than KADID-10k's is refused; everything else is taken as higher-is-better.

The table of LIVE Challenge lists seven training images (``t1.bmp`` to ``t7.bmp``) that lie
elsewhere; remove these rows, or use the official layout.
"""

from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

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

# The toolbox's lower-is-better tables, and the upper ends of their scales.
TOP_OF_LOWER_IS_BETTER = {
    "meta_info_csiqdataset.csv": 1.0,
    "meta_info_liveiqadataset.csv": 100.0,
    "meta_info_livemddataset.csv": 100.0,
}

_PART = {"0": "train", "1": "val", "2": "test", "": ""} | {part: part for part in PARTS}


def tables(root: Path) -> list[Path]:
    """Return the meta-information tables in a folder, which need not exist, in order of name."""
    entries = sorted(Path(root).iterdir()) if Path(root).is_dir() else []
    return [path for path in entries if fnmatch(path.name.lower(), "meta_info*.csv")]


def read(root: Path) -> pd.DataFrame:
    """Read the dataset that a folder's only meta-information table describes."""
    found = tables(root)
    if len(found) != 1:
        names = f" ({', '.join(path.name for path in found)})" if found else ""
        raise DataError(
            f"{root} has {len(found)} tables meta_info*.csv{names}; put the one there that its"
            " images belong to"
        )
    path = found[0]
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        tabs = "," not in file.readline()
    table = files.csv_table(path, [], sep="\t" if tabs else ",")
    table.columns = table.columns.str.lower()
    image, rating = (_column(table, names, path, needed=True) for names in (IMAGE, RATING))
    for name in image:
        if not name or files.leaves(name):
            raise DataError(f"{path}: the image '{name}' is no path inside {root}; correct it")
    return files.rows(
        root,
        [PurePosixPath(name).as_posix() for name in image],
        _higher_is_better(rating, path),
        std=_column(table, STD, path),
        reference=_column(table, REFERENCE, path),
        split=_split(table, path),
    )


def _column(
    table: pd.DataFrame, names: tuple[str, ...], path: Path, needed: bool = False
) -> pd.Series | None:
    """Return the only column that has one of several names, or None."""
    found = [column for column in table if column in names]
    if len(found) > 1:
        raise DataError(f"{path} has the columns {' and '.join(found)} for the same; keep one")
    if needed and not found:
        raise DataError(
            f"{path} has none of the columns {', '.join(names)} (it has {', '.join(table)}); its"
            " first line must name the columns"
        )
    return table[found[0]] if found else None


def _higher_is_better(values: pd.Series, path: Path) -> np.ndarray:
    name, ratings = path.name.lower(), files.numbers(values)
    if name in TOP_OF_LOWER_IS_BETTER:
        return TOP_OF_LOWER_IS_BETTER[name] - ratings
    if values.name == "dmos" and name != "meta_info_kadid10kdataset.csv":
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

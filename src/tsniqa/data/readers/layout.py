"""What the readers of official layouts share: finding files, reading tables, forming rows.

Archives are unpacked on systems that do and do not tell upper from lower case, so every file is
looked for in any case, and the name on disk is what a task stores.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from tsniqa.errors import DataError


def find(root: Path, *names: str) -> Path | None:
    """Find the first of several files or folders, in any case.

    Args:
        root: The dataset's folder.
        *names: Relative paths with ``/``, in order of preference.

    Returns:
        The path as it is spelled on disk, or None.
    """
    for name in names:
        place: Path | None = Path(root)
        for part in PurePosixPath(name).parts:
            place = _entry(place, part) if place is not None else None
        if place is not None:
            return place
    return None


def require(root: Path, *names: str) -> Path:
    """Find the first of several files or folders (see :func:`find`), or say what is missing.

    Raises:
        DataError: None of them is there.
    """
    found = find(root, *names)
    if found is None:
        raise DataError(
            f"{root} lacks {' or '.join(names)}; unpack the dataset's archive there as it comes"
        )
    return found


def _entry(folder: Path, name: str) -> Path | None:
    if (folder / name).exists():
        exact = [path for path in folder.iterdir() if path.name == name]
        if exact:
            return exact[0]
    if not folder.is_dir():
        return None
    same = sorted(path for path in folder.iterdir() if path.name.lower() == name.lower())
    return same[0] if same else None


class Names:
    """The files of one folder, looked up in any case.

    Args:
        root: The dataset's folder, which image names are relative to.
        folder: Folder of the images below it, spelled in any case; ``""`` is the root itself.
    """

    def __init__(self, root: Path, folder: str = "") -> None:
        place = find(root, folder) if folder else Path(root)
        self._prefix = place.relative_to(root).as_posix() if place and folder else folder
        entries = sorted(place.iterdir()) if place and place.is_dir() else []
        self._by_lower = {path.name.lower(): path.name for path in entries}

    def __getitem__(self, name: str) -> str:
        """Return the image's path relative to the root, with ``/``.

        The name on disk is preferred; an image that is not there keeps the given name, and is
        reported as missing when the task is checked.
        """
        actual = self._by_lower.get(name.lower(), name)
        return f"{self._prefix}/{actual}" if self._prefix else actual


def matlab(path: Path, *variables: str) -> list[np.ndarray]:
    """Read variables of a MATLAB file (up to version 7.2).

    Args:
        path: The file.
        *variables: Their names.

    Returns:
        The arrays, squeezed; a cell array of texts becomes an object array of ``str``.

    Raises:
        DataError: The file is damaged or lacks a variable.
    """
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        content = loadmat(path, squeeze_me=True, chars_as_strings=True)
    except (MatReadError, ValueError, TypeError, OSError, NotImplementedError) as error:
        raise _unreadable(path, error) from None
    for name in variables:
        if name not in content:
            held = ", ".join(key for key in content if not key.startswith("__"))
            raise DataError(f"{path} lacks the variable {name} (it has {held}); get it again")
    return [np.atleast_1d(content[name]) for name in variables]


def spreadsheet(path: Path, **options: object) -> pd.DataFrame:
    """Read an .xls or .xlsx workbook's sheet; its content decides which of the two it is.

    Args:
        path: The file.
        **options: Passed to :func:`pandas.read_excel`.

    Raises:
        DataError: The file is not a workbook.
    """
    try:
        with warnings.catch_warnings():
            # openpyxl warns of styles it does not know, pandas of its coming engine for .xls
            warnings.simplefilter("ignore")
            with path.open("rb") as file:
                return pd.read_excel(file, **options)
    except Exception as error:  # the two engines share no exception class
        raise _unreadable(path, error) from None


def csv_table(path: Path, needs: Sequence[str], **options: object) -> pd.DataFrame:
    """Read a CSV file as text, with stripped column names and values.

    Args:
        path: The file.
        needs: Columns it must have.
        **options: Passed to :func:`pandas.read_csv`.

    Returns:
        A table of texts.

    Raises:
        DataError: The file cannot be read or lacks a column.
    """
    defaults = {"dtype": str, "keep_default_na": False, "encoding": "utf-8-sig"}
    try:
        table = pd.read_csv(path, **(defaults | options))
    except (ValueError, OSError) as error:
        raise _unreadable(path, error) from None
    table.columns = [str(column).strip() for column in table.columns]
    lacking = [column for column in needs if column not in table]
    if lacking:
        raise DataError(
            f"{path} lacks the column {' and '.join(lacking)} (it has"
            f" {', '.join(table.columns)}); get it again, or check that it is the official file"
        )
    return table.apply(lambda column: column.str.strip())


def numbers(values: Sequence[object] | np.ndarray | pd.Series) -> np.ndarray:
    """Turn values to float64; what is no finite number becomes NaN, for the check to report."""
    parsed = pd.to_numeric(pd.Series(list(values)), errors="coerce").to_numpy(dtype=np.float64)
    return np.where(np.isfinite(parsed), parsed, np.nan)


def rows(
    image: Sequence[str],
    mos: Sequence[object] | np.ndarray,
    *,
    std: Sequence[object] | np.ndarray | None = None,
    reference: Sequence[str] | None = None,
    split: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Form the table that every reader returns.

    Args:
        image: Image paths relative to the dataset's folder, with ``/``.
        mos: Ratings, higher is better; what is no finite number becomes NaN.
        std: Standard deviations of the ratings, or None where none are published.
        reference: Name of the content of each image; None gives every image its own.
        split: ``train``, ``val`` or ``test`` as published, or None.

    Returns:
        One row an image with the columns :data:`tsniqa.data.task.COLUMNS`; ``split`` is empty where
        none is published.
    """
    image = list(image)
    table = pd.DataFrame({"image": image, "mos": numbers(mos)})
    table["std"] = np.nan if std is None else numbers(std)
    table["reference"] = image if reference is None else list(reference)
    table["split"] = "" if split is None else list(split)
    return table


def _unreadable(path: Path, error: Exception) -> DataError:
    reason = " ".join(str(error).split()) or type(error).__name__
    return DataError(f"{path} cannot be read ({reason}); get the file again")

"""What the readers share: finding and reading the files of a dataset, and forming its rows.

Archives are unpacked on systems that do and do not tell upper from lower case, so every file is
looked for in any case, and a task stores the name on disk.
"""

import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np
import pandas as pd

from tsniqa.errors import DataError, one_line

OFFICIAL = "get the official file again"  # if it is not as its authors made it


def leaves(name: str) -> bool:
    """Return whether a path, read as on POSIX or Windows, may lead out of the folder it is in."""
    path = PureWindowsPath(name)
    return bool(path.drive or path.root) or ".." in path.parts


def find(root: Path, *names: str) -> Path | None:
    """Find the first of several paths, with ``/``, as it is spelled on disk; None if none is."""
    for name in names:
        place: Path | None = Path(root)
        for part in PurePosixPath(name).parts:
            place = _entry(place, part) if place is not None else None
        if place is not None:
            return place
    return None


def require(root: Path, *names: str) -> Path:
    """Find the first of several files or folders, or raise a DataError that names them."""
    found = find(root, *names)
    if found is None:
        raise DataError(
            f"{root} lacks {' or '.join(names)}; unpack the dataset's archive there as it comes"
        )
    return found


def _entry(folder: Path, name: str) -> Path | None:
    entries = folder.iterdir() if folder.is_dir() else ()
    same = [path for path in entries if path.name.lower() == name.lower()]
    return min(same, key=lambda path: (path.name != name, path.name), default=None)


def matlab(path: Path, *variables: str) -> list[np.ndarray]:
    """Read variables of a MATLAB file (up to version 7.2), squeezed, cells of text as ``str``.

    A DataError says that the file is damaged or lacks one.
    """
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        content = loadmat(path, squeeze_me=True, chars_as_strings=True)
    except (MatReadError, ValueError, TypeError, OSError, NotImplementedError) as error:
        raise _unreadable(path, error) from None
    _require_names("variable", variables, content, path)
    return [np.atleast_1d(content[name]) for name in variables]


def spreadsheet(path: Path, needs: Sequence[str] = (), **options: object) -> pd.DataFrame:
    """Read a sheet of a workbook, .xls or .xlsx by its content.

    Args:
        path: The file.
        needs: Columns it must have; the case and the spaces of their titles do not matter.
        **options: As of :func:`pandas.read_excel`.

    Raises:
        DataError: The file is not a workbook, or lacks a column.
    """
    try:
        with warnings.catch_warnings(), path.open("rb") as file:
            warnings.simplefilter("ignore")  # of styles it does not know, of coming engines
            sheet = pd.read_excel(file, **options)
    except Exception as error:  # the two engines share no exception class
        raise _unreadable(path, error) from None
    if needs:
        titles = [" ".join(str(title).split()) for title in sheet.columns]
        known = {name.lower(): name for name in needs}
        sheet.columns = [known.get(title.lower(), title) for title in titles]
        _require_names("column", needs, sheet, path)
    return sheet


def csv_table(path: Path, needs: Sequence[str], **options: object) -> pd.DataFrame:
    """Read a CSV file as text, with stripped column names and values.

    Args:
        path: The file.
        needs: Columns it must have.
        **options: Passed to :func:`pandas.read_csv`.

    Raises:
        DataError: The file cannot be read or lacks a column.
    """
    defaults = {"dtype": str, "keep_default_na": False, "encoding": "utf-8-sig"}
    try:
        table = pd.read_csv(path, **(defaults | options))
    except (ValueError, OSError) as error:
        raise _unreadable(path, error) from None
    table.columns = [str(column).strip() for column in table.columns]
    _require_names("column", needs, table, path)
    return table.fillna("").apply(lambda column: column.str.strip())


def numbers(values: Sequence[object] | np.ndarray | pd.Series) -> np.ndarray:
    """Turn values to float64; what is no finite number becomes NaN, for the check to report."""
    parsed = pd.to_numeric(pd.Series(list(values)), errors="coerce").to_numpy(dtype=np.float64)
    return np.where(np.isfinite(parsed), parsed, np.nan)


def rows(
    root: Path,
    image: Iterable[str],
    mos: Sequence[object] | np.ndarray,
    *,
    std: Sequence[object] | np.ndarray | None = None,
    reference: Sequence[str] | None = None,
    split: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Form the table that every reader returns.

    Args:
        root: The dataset's folder.
        image: Image paths relative to it, with ``/``, in any case.
        mos: Ratings, higher is better; what is no finite number becomes NaN.
        std: Standard deviations of the ratings, if published.
        reference: Name of the content of each image; an image without one has its own.
        split: ``train``, ``val`` or ``test``, if published.

    Returns:
        One row an image with the columns :data:`tsniqa.data.task.COLUMNS`. Images are spelled as on
        disk; one that is not there keeps its name. ``split`` is empty where none is published.
    """
    spelled = list(_spelled(Path(root), image))
    table = pd.DataFrame({"image": spelled, "mos": numbers(mos)})
    table["std"] = np.nan if std is None else numbers(std)
    named = [""] * len(spelled) if reference is None else list(reference)
    table["reference"] = [own or image for own, image in zip(named, spelled, strict=True)]
    table["split"] = "" if split is None else list(split)
    return table


def _spelled(root: Path, images: Iterable[str]) -> Iterator[str]:
    """Yield image paths as they are spelled on disk, listing every folder once."""
    folders: dict[str, tuple[Path, dict[str, str]]] = {}
    for image in images:
        folder, _, name = image.rpartition("/")
        if folder not in folders:
            place = find(root, folder) or root / folder
            entries = sorted(path.name for path in place.iterdir()) if place.is_dir() else []
            folders[folder] = place.relative_to(root), {name.lower(): name for name in entries}
        place, names = folders[folder]
        yield (place / names.get(name.lower(), name)).as_posix()


def _require_names(kind: str, needs: Sequence[str], held: Iterable[str], path: Path) -> None:
    """Refuse a file that lacks a column or a variable."""
    if lacking := " and ".join(name for name in needs if name not in held):
        others = ", ".join(str(name) for name in held if not str(name).startswith("__"))
        raise DataError(f"{path} lacks the {kind} {lacking} (it has {others}); {OFFICIAL}")


def _unreadable(path: Path, error: Exception) -> DataError:
    return DataError(f"{path} cannot be read ({one_line(error)}); {OFFICIAL}")

"""Preparing a dataset: from any known layout to the generic one, with its images decoded."""

import shutil
from pathlib import Path

import yaml
from filelock import FileLock

from tsniqa.data import catalogue
from tsniqa.data.cache import DecodedCache, decode_each
from tsniqa.data.catalogue import Source
from tsniqa.data.readers import labels_csv
from tsniqa.data.task import Task
from tsniqa.errors import ConfigError, DataError
from tsniqa.paths import file_digest


def prepare_folder(folder: Path, out: Path, cache: DecodedCache) -> list[Path]:
    """Prepare whatever datasets a folder holds, see :func:`prepare_source`.

    Args:
        folder: A dataset's folder in any known layout (BIQ2021's one folder holds three tasks).
        out: Folder of datasets.
        cache: Where decoded images are kept.

    Returns:
        The new folders.

    Raises:
        DataError: The folder holds no known layout, or its dataset cannot be used.
    """
    found = catalogue.recognise(folder)
    if not found:
        raise DataError(
            f"{folder} holds no layout that is known (no {labels_csv.LABELS}, no meta_info*.csv,"
            " none of the files of tsniqa data list); name the dataset's own folder"
        )
    return [prepare_source(source, out, cache) for source in found]


def prepare_source(source: Source, out: Path, cache: DecodedCache) -> Path:
    """Copy a dataset's rated images into the generic layout, and decode them into a cache.

    Images keep their relative names and their bytes, so the copy is the same task: a run of one is
    a run of the other. ``labels.csv`` is written last. What an interrupted call has copied and
    decoded is kept, and the next call goes on from there.

    Args:
        source: The dataset.
        out: Folder of datasets, which receives the folder ``<out>/<task name>``.
        cache: Where decoded images are kept.

    Returns:
        The new folder.

    Raises:
        ConfigError: The folder would be the source itself.
        DataError: The table cannot be used, the new folder holds another dataset, or an image is
            missing or cannot be decoded.
    """
    folder = Path(out) / source.name
    if folder.resolve() == source.folder.resolve():
        raise ConfigError(f"{folder} is the dataset itself; give --out another folder")
    task = catalogue.read(source)
    if (~task.table["mos"].notna()).any():
        image = task.table["image"][task.table["mos"].isna()].iloc[0]
        raise DataError(
            f"{source.folder / image}: its rating is not a finite number; see tsniqa data check"
        )
    labels = _labels(task)
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".preparing.lock"):
        target = folder / labels_csv.LABELS
        if target.is_file() and target.read_text(encoding="utf-8") != labels:
            raise DataError(f"{target} is another table already; give --out another folder")
        problems = decode_each(
            [source.folder / image for image in task.table["image"]],
            lambda path: _take(path, source.folder, folder, cache),
        )
        if problems:
            more = f" (and {len(problems) - 1} more images)" if len(problems) > 1 else ""
            first = next(iter(problems.values()))
            raise DataError(f"{first}{more}; tsniqa data check lists them all")
        _write(folder / labels_csv.DESCRIPTION, _about(task))
        _write(target, labels)
    return folder


def _take(image: Path, root: Path, folder: Path, cache: DecodedCache) -> None:
    """Decode one image, then copy it unless the copy is there."""
    cache.load(image, root)
    target = folder / image.relative_to(root)
    if target.is_file() and file_digest(target) == file_digest(image):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + ".partial")
    shutil.copyfile(image, partial)
    partial.replace(target)


def _labels(task: Task) -> str:
    """Return the text of ``labels.csv``; floats are written so that they are read back exactly."""
    table = task.table[["image", "mos", "std", "split", "reference"]]
    if (table["split"] == "").all():
        table = table.drop(columns="split")
    return table.to_csv(index=False, lineterminator="\n")


def _about(task: Task) -> str:
    about = {
        "description": task.description,
        "citation": task.citation,
        "licence": task.licence,
        "mos_range": [float(end) for end in task.mos_range],
    }
    return yaml.safe_dump(about, allow_unicode=True, sort_keys=False)


def _write(path: Path, text: str) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)

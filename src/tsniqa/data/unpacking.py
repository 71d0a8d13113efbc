"""Unpacking an archive: all of it or nothing, and nothing outside its folder."""

import filecmp
import lzma
import shutil
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO

from tqdm import tqdm

from tsniqa.data.cards import DatasetCard
from tsniqa.data.transfer import one_line, unwritable
from tsniqa.errors import DataError

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
"""Endings of archives that can be unpacked here."""

FOREIGN = (".rar", ".7z")
"""Endings of archives that need another program."""

_DAMAGE = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, UnicodeError,
)  # fmt: skip


def unpack(archive: Path, folder: Path, card: DatasetCard) -> list[str]:
    """Unpack an archive into a folder, all of it or nothing.

    It is unpacked in a folder beside its place and moved when it is complete. A file of the user's
    that differs is never overwritten.

    Args:
        archive: The archive, its kind told by its ending.
        folder: Where its content goes.
        card: The dataset, named in messages.

    Returns:
        The names at the archive's top level.

    Raises:
        DataError: It is damaged (and then removed), unsafe or packed in an unknown way, a file is
            in the way, or the disk is full.
    """
    beside = folder / f".{archive.name}.unpacking"
    shutil.rmtree(beside, ignore_errors=True)  # left by a process that was killed
    beside.mkdir()
    every = 0.1 if sys.stderr.isatty() else 10.0
    progress = tqdm(desc=f"unpacking {archive.name}", unit="file", mininterval=every)
    try:
        for name, content in _members(archive):
            path = beside / _safe(name, archive)
            if content is None or name.endswith(("/", "\\")):
                path.mkdir(parents=True, exist_ok=True)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                shutil.copyfileobj(content, file, 1 << 20)
            progress.update()
        for other in _differing(beside, folder):
            raise DataError(
                f"{other} exists and is not what {archive.name} holds; move it away and fetch again"
            )
        names = sorted(path.name for path in beside.iterdir())
        _move(beside, folder)
    except (NotImplementedError, RuntimeError) as error:  # a method of packing, a password
        raise DataError(
            f"{archive} cannot be unpacked here ({one_line(error)}); unpack it in {folder} by hand"
        ) from None
    except (*_DAMAGE, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise unwritable(folder, error, f"{archive.name} is kept") from None
        archive.unlink(missing_ok=True)
        raise DataError(
            f"{archive} is no sound archive ({one_line(error)}) and was removed; fetch again, and"
            f" if it stays so, see {card.homepage}"
        ) from None
    finally:
        progress.close()
        shutil.rmtree(beside, ignore_errors=True)
    return names


def _members(archive: Path) -> Iterator[tuple[str, IO[bytes] | None]]:
    """Yield the name and content of every file in an archive, and None for a folder's content."""
    if archive.name.lower().endswith(".zip"):
        with zipfile.ZipFile(archive) as opened:
            for entry in opened.infolist():
                if not entry.filename.startswith("__MACOSX/"):
                    with opened.open(entry) as content:
                        yield entry.filename, None if entry.is_dir() else content
        return
    with tarfile.open(archive) as opened:
        for member in opened:
            if not (member.isfile() or member.isdir()):
                raise _unsafe(member.name, archive, "is a link or a device")
            yield member.name, opened.extractfile(member)


def _safe(name: str, archive: Path) -> PurePosixPath:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or PureWindowsPath(name).drive or ".." in path.parts:
        raise _unsafe(name, archive, "leaves the folder")
    return path


def _unsafe(name: str, archive: Path, why: str) -> DataError:
    return DataError(
        f"{archive}: its member '{name}' {why}, so nothing was unpacked; do not unpack it by hand"
        " before you know where it comes from"
    )


def _differing(source: Path, target: Path) -> Iterator[Path]:
    """Yield what is in the way of moving the content of a folder into another one."""
    for path in sorted(source.iterdir()):
        place = target / path.name
        if path.is_dir() and place.is_dir():
            yield from _differing(path, place)
        elif place.exists() and (
            path.is_dir() or place.is_dir() or not filecmp.cmp(path, place, shallow=False)
        ):
            yield place


def _move(source: Path, target: Path) -> None:
    """Move the content of a folder into another one; folders that both have are joined."""
    for path in sorted(source.iterdir()):
        place = target / path.name
        if path.is_dir() and place.is_dir():
            _move(path, place)
        else:
            shutil.move(path, place)

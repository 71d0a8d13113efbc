"""Unpacking an archive: all of it or nothing, and nothing outside its folder."""

import filecmp
import logging
import lzma
import shutil
import tarfile
import zipfile
import zlib
from pathlib import Path

import pooch

from tsniqa.data.cards import DatasetCard
from tsniqa.data.readers.files import leaves
from tsniqa.errors import DataError, one_line

log = logging.getLogger("tsniqa")

# Endings of archives that can be unpacked here, and of those that need another program.
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
FOREIGN = (".rar", ".7z")

_DAMAGE = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, UnicodeError)


def unpack(archive: Path, folder: Path, card: DatasetCard) -> list[str]:
    """Unpack an archive where no file that differs is overwritten; return its top level's names.

    Raises:
        DataError: It is damaged (then removed), unsafe or of an unknown kind, or a file is there.
        OSError: The disk is full or cannot be written.
    """
    # Unpacked beside its place, and moved when it is complete.
    beside = folder / f".{archive.name}.unpacking"
    shutil.rmtree(beside, ignore_errors=True)  # left by a process that was killed
    log.info("unpacking %s", archive)
    try:
        _refuse_unsafe(archive)
        kind = pooch.Unzip if archive.name.lower().endswith(".zip") else pooch.Untar
        kind(extract_dir=beside.name)(str(archive), "download", None)
        return _move(beside, folder, archive)
    except (NotImplementedError, RuntimeError) as error:  # a method of packing, a password
        raise DataError(
            f"{archive} cannot be unpacked here ({one_line(error)}); unpack it in {folder} by hand"
        ) from None
    except (*_DAMAGE, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        archive.unlink(missing_ok=True)
        raise DataError(
            f"{archive} is no sound archive ({one_line(error)}) and was removed; fetch again, and"
            f" if it stays so, see {card.homepage}"
        ) from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _refuse_unsafe(archive: Path) -> None:
    """Refuse an archive with a member that is no plain file or folder inside it."""
    if archive.name.lower().endswith(".zip"):
        with zipfile.ZipFile(archive) as opened:
            members = [(name, True) for name in opened.namelist()]
    else:
        with tarfile.open(archive) as opened:
            members = [(one.name, one.isfile() or one.isdir()) for one in opened.getmembers()]
    for name, plain in members:
        if leaves(name) or not plain:
            why = "leaves the folder" if leaves(name) else "is a link or a device"
            wrong = f"its member '{name}' {why}, so nothing was unpacked"
            advice = "do not unpack it by hand before you know where it comes from"
            raise DataError(f"{archive}: {wrong}; {advice}")


def _move(source: Path, folder: Path, archive: Path) -> list[str]:
    """Move all files of a folder into another one, or none; return the names at the top level."""
    places = {}
    for path in sorted(source.rglob("*")):
        name = path.relative_to(source).as_posix().replace("\\", "/")  # written on Windows
        if path.is_file() and not name.endswith("/") and not name.startswith("__MACOSX/"):
            places[path] = folder / name
    for path, place in places.items():
        taken = place.is_dir() or any(parent.is_file() for parent in place.parents)
        if taken or (place.exists() and not filecmp.cmp(path, place, shallow=False)):
            raise DataError(
                f"{place} exists and is not what {archive.name} holds; move it away and fetch again"
            )
    for path, place in places.items():
        place.parent.mkdir(parents=True, exist_ok=True)
        path.replace(place)
    return sorted({place.relative_to(folder).parts[0] for place in places.values()})

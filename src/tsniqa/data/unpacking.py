"""Unpacking an archive: all of it or nothing, and nothing outside its folder."""

import filecmp
import logging
import lzma
import shutil
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from errno import EINVAL
from pathlib import Path, PurePosixPath
from unicodedata import normalize

import pooch

from tsniqa.data.cards import DatasetCard
from tsniqa.data.readers.files import leaves
from tsniqa.errors import DataError, one_line

log = logging.getLogger("tsniqa")

# Endings of archives that can be unpacked here, and of those that need another program.
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
FOREIGN = (".rar", ".7z")

_DAMAGE = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, ValueError,
    LookupError, struct.error, OverflowError,
)  # fmt: skip

#: How much an archive may become: so many times its size, and so many bytes more. Photographs
#: hardly shrink in an archive, bitmaps and tables to a tenth.
MOST_TIMES, MOST_MORE = 20, 100_000_000
_LONGEST_HEADER = 1 << 20  # bytes: longer names and attributes are there to fill the memory


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
        if isinstance(error, OSError) and error.errno not in (None, EINVAL):  # of a wrong seek
            raise
        archive.unlink(missing_ok=True)
        raise DataError(
            f"{archive} is no sound archive ({one_line(error)}) and was removed; fetch again, and"
            f" if it stays so, see {card.homepage}"
        ) from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)


class _Member(tarfile.TarInfo):
    """A member whose long names and attributes, which are read at once, are not too long."""

    @classmethod
    def frombuf(cls, buf: bytes, encoding: str, errors: str) -> "_Member":
        """Read a header; a tarfile.ReadError says that it announces too much."""
        member = super().frombuf(buf, encoding, errors)
        if not member.type.isdigit() and member.size > _LONGEST_HEADER:
            raise tarfile.ReadError(f"a header of {member.size} bytes")
        return member


def _members(archive: Path) -> Iterator[tuple[str, str, int]]:
    """Yield each member's name, its kind (file, folder or other) and its size in bytes."""
    if archive.name.lower().endswith(".zip"):
        with zipfile.ZipFile(archive) as opened:
            for one in opened.infolist():  # no more is unpacked than a file says
                folder = one.filename.endswith(("/", "\\"))
                yield one.filename, "folder" if folder else "file", one.file_size
    else:
        with tarfile.open(archive, tarinfo=_Member) as opened:
            for one in opened:
                kind = "file" if one.isfile() else "folder" if one.isdir() else "other"
                yield one.name, kind, one.size


def _refuse_unsafe(archive: Path) -> None:
    """Refuse an archive that would fill the disk, leave the folder or lose one of its files."""
    most = MOST_TIMES * archive.stat().st_size + MOST_MORE
    most = min(most, shutil.disk_usage(archive.parent).free)
    files: set[str] = set()  # as a disk without cases and accents of its own would call them
    folders: set[str] = set()
    size = 0
    for name, kind, bytes_ in _members(archive):
        place = PurePosixPath(normalize("NFC", name.replace("\\", "/")).casefold())
        own, above = str(place), {str(parent) for parent in place.parents}
        size += bytes_
        why = ""
        if size > most:
            why = f"makes it larger than {most / 1e6:,.0f} MB, a bomb or too much for this disk"
        elif leaves(name):
            why = "leaves the folder"
        elif kind == "other":
            why = "is a link or a device"
        elif (kind == "file" and own in folders) or not files.isdisjoint({own, *above}):
            why = "has the place of another one, on some disks at least"
        if why:
            raise DataError(
                f"{archive}: its member '{one_line(name)}' {why}, so nothing was unpacked; do not"
                " unpack it by hand before you know where it comes from"
            )
        folders |= above
        (files if kind == "file" else folders).add(own)


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

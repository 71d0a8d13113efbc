"""Fetching the open archives of a dataset: download, verify, unpack.

A download is written to ``<file>.part``, which outlives a cut connection, Ctrl-C and a full disk
and is continued by an HTTP range request. ``<file>.part.json`` remembers what the bytes belong to,
so that two versions of a file are never joined. :mod:`pooch` decides whether a file has to be
downloaded and puts it in place once it is verified. An archive is unpacked in a folder beside its
place and moved when it is complete; ``.<file>.unpacked`` then records that.
"""

import errno
import filecmp
import json
import logging
import lzma
import os
import re
import shutil
import sys
import tarfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO

import pooch
import requests
from filelock import FileLock, Timeout
from tqdm import tqdm

from tsniqa.datasets.cards import DatasetCard, Download
from tsniqa.errors import DataError

log = logging.getLogger("tsniqa")

ATTEMPTS = 3
"""Attempts in a row that bring nothing new before a download is given up."""

TIMEOUT = (20.0, 60.0)
"""Seconds to wait for a connection, and for the next bytes."""

_CHUNK = 1 << 16
_PASSING = (429, 500, 502, 503, 504)
_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
_FOREIGN = (".rar", ".7z")
_DAMAGE = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, UnicodeError,
)  # fmt: skip


def fetch(
    card: DatasetCard, folder: Path, wait: Callable[[float], None] = time.sleep
) -> list[Path]:
    """Download every archive of a card into a folder, verify and unpack it there.

    What is already unpacked and recorded is not fetched again; the archives may be deleted.

    Args:
        card: The dataset.
        folder: Where archives and their content go; made if it is not there.
        wait: Called with the seconds to wait before a download is tried again.

    Returns:
        What the archives held at their top level, and downloads that are no archives.

    Raises:
        DataError: There is no open download, it failed, it is not what the card says, it cannot
            be unpacked safely, or the disk is full.
    """
    if card.access == "form" or not card.downloads:
        raise DataError(
            f"dataset '{card.name}' has no open download; ask for it at {card.homepage}: {card.how}"
        )
    folder = Path(folder).expanduser()
    pooch.get_logger().setLevel(logging.WARNING)  # this module logs what matters
    try:
        folder.mkdir(parents=True, exist_ok=True)
        paths = []
        for download in card.downloads:
            with FileLock(folder / f".{download.file}.lock", timeout=0):
                paths += _fetch_one(card, download, folder, wait)
    except Timeout:
        raise DataError(
            f"{folder}: another process is fetching {download.file} there; wait for it"
        ) from None
    except OSError as error:
        raise _unwritable(folder, error) from None
    return list(dict.fromkeys(paths))


def _fetch_one(
    card: DatasetCard, download: Download, folder: Path, wait: Callable[[float], None]
) -> list[Path]:
    record = folder / f".{download.file}.unpacked"
    names = _recorded(record, download, folder)
    if names is None:
        archive = Path(
            pooch.retrieve(
                download.url,
                known_hash=download.checksum,
                fname=download.file,
                path=folder,
                downloader=_Downloader(card, download, folder, wait),
            )
        )
        checksum = download.checksum or f"sha256:{pooch.file_hash(archive)}"
        if download.checksum is None:
            log.info(
                "%s has the checksum %s; none is published, so compare it with what others have",
                archive,
                checksum,
            )
        if not download.file.lower().endswith(_ARCHIVES):
            if download.file.lower().endswith(_FOREIGN):
                log.warning("%s has to be unpacked by hand, into %s", archive, folder)
            return [archive]
        names = _unpack(archive, folder, card)
        record.write_text(json.dumps({"checksum": checksum, "names": names}), encoding="utf-8")
    return [folder / name for name in names]


def _recorded(record: Path, download: Download, folder: Path) -> list[str] | None:
    """Return what an archive was unpacked to, or None if that has to be done (again)."""
    try:
        known = json.loads(record.read_text(encoding="utf-8"))
        checksum, names = known["checksum"], list(known["names"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if download.checksum not in (None, checksum):
        return None
    if not all((folder / name).exists() for name in names):
        return None
    log.info("%s is already unpacked in %s", download.file, folder)
    return names


class _Again(Exception):
    """A failure that may pass."""


class _Downloader:
    """Downloads one file for :func:`pooch.retrieve`, which gives the place to put it."""

    def __init__(
        self, card: DatasetCard, download: Download, folder: Path, wait: Callable[[float], None]
    ) -> None:
        self._card, self._download, self._folder, self._wait = card, download, folder, wait
        self._part = folder / f"{download.file}.part"
        self._memory = folder / f"{download.file}.part.json"

    def __call__(self, url: str, output_file: str, _pooch: object) -> None:
        furthest, idle = self._have(), 0
        while True:
            try:
                self._attempt()
                break
            except (
                _Again,
                requests.ConnectionError,
                requests.Timeout,
                requests.exceptions.ChunkedEncodingError,
            ) as error:
                idle = 0 if self._have() > furthest else idle + 1
                furthest = max(furthest, self._have())
                if idle >= ATTEMPTS:
                    raise DataError(
                        f"{url}: {_reason(error)}; check the network and fetch again"
                        f" ({self._kept()})"
                    ) from None
                self._wait(2.0**idle)
            except requests.RequestException as error:
                raise DataError(
                    f"{url} cannot be fetched ({_one_line(error)}); see {self._card.homepage}"
                ) from None
            except OSError as error:
                raise _unwritable(self._part, error, self._kept()) from None
        self._verify()
        os.replace(self._part, output_file)
        self._memory.unlink(missing_ok=True)

    def _attempt(self) -> None:
        """Continue the partial download where that is safe, else begin."""
        url, known = self._download.url, self._known()
        have = self._have() if known else 0
        if known and have and have == known["size"]:
            return
        headers = {"Accept-Encoding": "identity"}
        if known and have:
            headers["Range"] = f"bytes={have}-"
            if known["validator"]:
                headers["If-Range"] = known["validator"]
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
            status = response.status_code
            if have and (
                status == 416 or (status == 206 and not _continues(response, have, known))
            ):
                self._memory.unlink(missing_ok=True)
                return self._attempt()
            if status != 200 and not (status == 206 and have):
                raise self._refusal(response)
            begin = have if status == 206 else 0
            size = _whole_size(response, begin)
            self._check_space(size, begin)
            with self._part.open("ab" if begin else "wb") as file:
                memory = {"url": url, "validator": _validator(response), "size": size}
                self._memory.write_text(json.dumps(memory), encoding="utf-8")
                self._receive(response, file, begin, size)
        if size is not None and self._have() < size:
            raise _Again("the connection was cut")

    def _receive(
        self, response: requests.Response, file: IO[bytes], begin: int, size: int | None
    ) -> None:
        every = 0.1 if sys.stderr.isatty() else 10.0  # seconds between lines of a log
        with tqdm(
            total=size, initial=begin, desc=self._download.file, unit="B", unit_scale=True,
            mininterval=every, dynamic_ncols=True,
        ) as progress:  # fmt: skip
            for chunk in response.iter_content(_CHUNK):
                file.write(chunk)
                progress.update(len(chunk))

    def _refusal(self, response: requests.Response) -> Exception:
        """Build the error for a response without the file."""
        answer = " ".join(f"{response.status_code} {response.reason or ''}".split())
        if response.status_code in _PASSING:
            return _Again(f"the server answers {answer}")
        return DataError(
            f"{self._download.url}: the server answers {answer}; look for the archive at"
            f" {self._card.homepage} and unpack it in {self._folder}"
        )

    def _check_space(self, size: int | None, begin: int) -> None:
        """Refuse to begin what cannot fit."""
        free = shutil.disk_usage(self._folder).free
        if size is not None and size - begin > free:
            raise DataError(
                f"{self._folder} has {_megabytes(free)} free and {self._download.file} needs"
                f" another {_megabytes(size - begin)}; free space or fetch into another folder"
                f" ({self._kept()})"
            )

    def _verify(self) -> None:
        """Compare the checksum with the card's; a file that differs is removed."""
        expected = self._download.checksum
        if expected is None:
            return
        algorithm = expected.split(":")[0]
        came = f"{algorithm}:{pooch.file_hash(self._part, alg=algorithm)}"
        if came.lower() == expected.lower():
            return
        self._part.unlink()
        self._memory.unlink(missing_ok=True)
        raise DataError(
            f"{self._download.url} has the checksum {came}, expected {expected}; the download was"
            f" removed: fetch again, and if it stays so, compare with {self._download.source}"
        )

    def _have(self) -> int:
        """Return the number of bytes kept."""
        return self._part.stat().st_size if self._part.exists() else 0

    def _known(self) -> dict | None:
        """Return what the kept bytes belong to, or None if they cannot be continued safely."""
        try:
            known = json.loads(self._memory.read_text(encoding="utf-8"))
            url, validator, _ = known["url"], known["validator"], known["size"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        same_file_is_told = validator or self._download.checksum
        return known if url == self._download.url and same_file_is_told else None

    def _kept(self) -> str:
        if not self._have() or self._known() is None:
            return "nothing is kept"
        return f"{_megabytes(self._have())} are kept in {self._part}"


def _validator(response: requests.Response) -> str | None:
    """Return what tells one version of a file from another: a strong ETag, else the date."""
    tag = response.headers.get("ETag", "")
    return tag if tag.startswith('"') else response.headers.get("Last-Modified")


def _continues(response: requests.Response, have: int, known: dict) -> bool:
    """Tell whether a partial response goes on where the kept bytes end, in the same file."""
    span = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
    return (
        span is not None
        and int(span[1]) == have
        and (known["size"] is None or span[2] in ("*", str(known["size"])))
        and _validator(response) in (None, known["validator"])
    )


def _whole_size(response: requests.Response, begin: int) -> int | None:
    """Return the size of the whole file if the server announces it."""
    length = response.headers.get("Content-Length", "")
    if response.headers.get("Content-Encoding", "identity") != "identity" or not length.isdigit():
        return None
    return begin + int(length)


def _unpack(archive: Path, folder: Path, card: DatasetCard) -> list[str]:
    """Unpack an archive into a folder, all of it or nothing.

    Returns:
        The names at the archive's top level.
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
            f"{archive} cannot be unpacked here ({_one_line(error)}); unpack it in {folder} by hand"
        ) from None
    except (*_DAMAGE, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise _unwritable(folder, error, f"{archive.name} is kept") from None
        archive.unlink(missing_ok=True)
        raise DataError(
            f"{archive} is no sound archive ({_one_line(error)}) and was removed; fetch again, and"
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


def _unwritable(place: Path, error: OSError, kept: str = "") -> DataError:
    """Build the error for a file that cannot be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        what = "the disk is full; free space or fetch into another folder"
    else:
        what = f"cannot be written ({_one_line(error.strerror or error)}); check the folder"
    return DataError(f"{place}: {what}" + (f" ({kept})" if kept else ""))


def _reason(error: BaseException) -> str:
    """Say in a few words why a download stopped."""
    if isinstance(error, _Again):
        return str(error)
    if isinstance(error, requests.ConnectTimeout):
        return f"no connection within {TIMEOUT[0]:g} s"
    if isinstance(error, requests.Timeout) or "timed out" in str(error):
        return f"no answer for {TIMEOUT[1]:g} s"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return "the connection was cut"


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.1f} MB"


def _one_line(error: object) -> str:
    return " ".join(str(error).split()) or type(error).__name__

"""Fetching the open archives of a dataset: downloaded, verified and unpacked.

:func:`pooch.retrieve` decides whether to download a file, and verifies it. The downloader is our
own, because pooch's begins anew after every interruption.
"""

import errno
import json
import logging
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pooch
import requests
from filelock import Timeout
from requests.exceptions import ChunkedEncodingError
from tqdm import tqdm

from tsniqa.data.cache import progress_interval
from tsniqa.data.cards import DatasetCard, Download
from tsniqa.data.unpacking import ARCHIVES, FOREIGN, unpack
from tsniqa.errors import DataError, one_line
from tsniqa.paths import locked

log = logging.getLogger("tsniqa")

ATTEMPTS = 3  # attempts in a row that bring nothing new before a download is given up
TIMEOUT = (20.0, 60.0)  # seconds to wait for a connection, and for the next bytes
_PASSING = (429, 500, 502, 503, 504)  # answers of a server that may be another one later
_PASSING_ERRORS = (requests.ConnectionError, requests.Timeout, ChunkedEncodingError)


def fetch(
    card: DatasetCard, folder: Path, wait: Callable[[float], None] = time.sleep
) -> list[Path]:
    """Download every archive of a card, verify and unpack it, unless that was done before.

    Args:
        card: The dataset.
        folder: The data root; a card may name a folder in it that receives the files.
        wait: Called with the seconds to wait before a download is tried again.

    Returns:
        What the archives held at their top level, and downloads that are no archives.

    Raises:
        DataError: There is no open download, it failed, it is not what the card says, it cannot
            be unpacked safely, or the disk is full.
    """
    if card.access == "form" or not card.downloads:
        where = f"see {card.homepage}: {card.how}"
        raise DataError(f"dataset '{card.name}' has no open download; {where}")
    folder = Path(folder).expanduser()
    pooch.get_logger().setLevel(logging.WARNING)  # this module logs what matters
    try:
        paths = []
        for download in card.downloads:
            place = folder / download.into
            with locked(place / f".{download.file}.lock").acquire(timeout=0):
                paths += _fetch_one(card, download, place, wait)
    except Timeout:
        text = f"{folder}: another process is fetching {download.file} there; wait for it"
        raise DataError(text) from None
    except OSError as error:
        what = f"cannot be written ({one_line(error.strerror or error)}); check the folder"
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            what = "the disk is full; free space or fetch into another folder"
        raise DataError(f"{folder}: {what} (what came so far is kept)") from None
    return list(dict.fromkeys(paths))


def _fetch_one(
    card: DatasetCard, download: Download, folder: Path, wait: Callable[[float], None]
) -> list[Path]:
    record = folder / f".{download.file}.unpacked"  # of what the archive held
    names = _recorded(record, download, folder)
    if names is None:
        try:
            known = (download.url, download.checksum, download.file, folder)
            downloader = _Downloader(card, download, folder, wait)
            archive = Path(pooch.retrieve(*known, downloader=downloader))
        except ValueError as error:  # so pooch says that the checksum is another
            raise DataError(
                f"{download.url}: {one_line(error).partition('. ')[0]}; the download was removed:"
                f" fetch again, and if it stays so, compare with {download.source}"
            ) from None
        checksum = download.checksum or f"sha256:{pooch.file_hash(archive)}"
        if download.checksum is None:
            advice = "none is published, so compare it with others'"
            log.info("%s has the checksum %s; %s", archive, checksum, advice)
        if not download.file.lower().endswith(ARCHIVES):
            if download.file.lower().endswith(FOREIGN):
                log.warning("%s has to be unpacked by hand, into %s", archive, folder)
            return [archive]
        names = unpack(archive, folder, card)
        record.write_text(json.dumps({"checksum": checksum, "names": names}), encoding="utf-8")
    return [folder / name for name in names]


def _recorded(record: Path, download: Download, folder: Path) -> list[str] | None:
    """Return what an archive was unpacked to, or None if that has to be done (again)."""
    try:
        known = json.loads(record.read_text(encoding="utf-8"))
        checksum, names = known["checksum"], list(known["names"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    whole = all((folder / name).exists() for name in names)
    if download.checksum not in (None, checksum) or not whole:
        return None
    log.info("%s is already unpacked in %s", download.file, folder)
    return names


class _Passing(requests.ConnectionError):
    """A failure that may pass."""


@dataclass
class _Downloader:
    """Downloads one file for pooch and continues what an interruption left.

    ``<file>.part`` holds the bytes and ``<file>.part.origin`` their address and the server's mark
    of the version, so that two versions of a file are never joined.
    """

    card: DatasetCard
    download: Download
    folder: Path
    wait: Callable[[float], None]

    def __post_init__(self) -> None:
        self.part = self.folder / f"{self.download.file}.part"
        self.origin = self.folder / f"{self.download.file}.part.origin"

    def __call__(self, url: str, output_file: str, _pooch: object) -> None:
        furthest, idle = self.have(), 0
        while True:
            try:
                self.attempt(url)
                break
            except _PASSING_ERRORS as error:
                idle = 0 if self.have() > furthest else idle + 1
                furthest = max(furthest, self.have())
                if idle >= ATTEMPTS:
                    reason = str(error) if isinstance(error, _Passing) else type(error).__name__
                    raise DataError(
                        f"{url}: the connection failed ({reason}); check the network and fetch"
                        f" again ({furthest / 1e6:,.1f} MB are kept)"
                    ) from None
                self.wait(2.0**idle)
            except requests.RequestException as error:
                raise DataError(
                    f"{url} cannot be fetched ({one_line(error)}); see {self.card.homepage}"
                ) from None
        self.part.replace(output_file)
        self.origin.unlink()

    def attempt(self, url: str) -> None:
        """Continue the partial download where that is safe, else begin."""
        version = self.version(url)
        have = 0 if version is None else self.have()
        headers = {"Accept-Encoding": "identity"}
        if have:
            headers |= {"Range": f"bytes={have}-"} | ({"If-Range": version} if version else {})
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
            status, begins = response.status_code, response.headers.get("Content-Range", "")
            same = begins.startswith(f"bytes {have}-") and _mark(response) in ("", version)
            if have and status in (206, 416) and not same:
                self.origin.unlink()
                return self.attempt(url)
            answer = f"the server answers {status} {response.reason}"
            if status in _PASSING:
                raise _Passing(answer)
            if status not in (200, 206):
                raise DataError(
                    f"{url}: {answer}; look for the archive at {self.card.homepage} and unpack it"
                    f" in {self.folder}"
                )
            begin = have if status == 206 else 0
            self.origin.write_text(f"{url}\n{_mark(response)}", encoding="utf-8")
            self.receive(response, begin)

    def receive(self, response: requests.Response, begin: int) -> None:
        """Write what the server sends, unless it cannot fit."""
        length = response.headers.get("Content-Length", "")
        size = begin + int(length) if length.isdigit() else None
        free, file = shutil.disk_usage(self.folder).free, self.download.file
        if size is not None and size - begin > free:
            raise DataError(
                f"{self.folder} has {free / 1e6:,.1f} MB free and {file} needs another"
                f" {(size - begin) / 1e6:,.1f} MB; free space or fetch into another folder"
            )
        bar = tqdm(
            total=size, initial=begin, desc=file, unit="B", unit_scale=True,
            mininterval=progress_interval(),
        )  # fmt: skip
        with bar, self.part.open("ab" if begin else "wb") as part:
            for chunk in response.iter_content(1 << 16):
                part.write(chunk)
                bar.update(len(chunk))
        if size is not None and self.have() < size:
            raise _Passing("it was cut")

    def have(self) -> int:
        """Return the number of bytes kept."""
        return self.part.stat().st_size if self.part.exists() else 0

    def version(self, url: str) -> str | None:
        """Return the mark of the kept bytes' version, or None if they cannot be continued."""
        try:
            kept_url, mark = self.origin.read_text(encoding="utf-8").split("\n")
        except (OSError, ValueError):
            return None
        return mark if kept_url == url and (mark or self.download.checksum) else None


def _mark(response: requests.Response) -> str:
    """Return what tells one version of a file from another: a strong ETag, else the date."""
    tag = response.headers.get("ETag", "")
    return tag if tag.startswith('"') else response.headers.get("Last-Modified", "")

"""Bringing the bytes of one file over HTTP, so that an interruption costs nothing.

A download is written to ``<file>.part``, which outlives a cut connection, Ctrl-C and a full disk
and is continued by an HTTP range request. ``<file>.part.json`` remembers what the bytes belong to,
so that two versions of a file are never joined.
"""

import errno
import json
import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pooch
import requests
from tqdm import tqdm

from tsniqa.data.cards import DatasetCard, Download
from tsniqa.errors import DataError

ATTEMPTS = 3
"""Attempts in a row that bring nothing new before a download is given up."""

TIMEOUT = (20.0, 60.0)
"""Seconds to wait for a connection, and for the next bytes."""

_CHUNK = 1 << 16
_PASSING = (429, 500, 502, 503, 504)


class _Again(Exception):
    """A failure that may pass."""


class Transfer:
    """Downloads one file for :func:`pooch.retrieve`, which gives the place to put it.

    Args:
        card: The dataset, named in messages.
        download: The file.
        folder: Where the unfinished file is kept.
        wait: Called with the seconds to wait before another attempt.
    """

    def __init__(
        self, card: DatasetCard, download: Download, folder: Path, wait: Callable[[float], None]
    ) -> None:
        self._card, self._download, self._folder, self._wait = card, download, folder, wait
        self._part = folder / f"{download.file}.part"
        self._memory = folder / f"{download.file}.part.json"

    def __call__(self, url: str, output_file: str, _pooch: object) -> None:
        """Bring the file, verified, to the place that pooch gives.

        Raises:
            DataError: It cannot be had, differs from its checksum, or does not fit on the disk.
        """
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
                    f"{url} cannot be fetched ({one_line(error)}); see {self._card.homepage}"
                ) from None
            except OSError as error:
                raise unwritable(self._part, error, self._kept()) from None
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


def unwritable(place: Path, error: OSError, kept: str = "") -> DataError:
    """Build the error for a file that cannot be written, to be raised by the caller.

    Args:
        place: The file or folder.
        error: What the system said.
        kept: What is kept of the work so far, for the message.
    """
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        what = "the disk is full; free space or fetch into another folder"
    else:
        what = f"cannot be written ({one_line(error.strerror or error)}); check the folder"
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


def one_line(error: object) -> str:
    """Return an error's text on one line, or its kind if it has none."""
    return " ".join(str(error).split()) or type(error).__name__

"""Fetching the open archives of a dataset: download, verify, unpack.

:mod:`pooch` decides whether a file has to be downloaded and puts it in place once it is verified;
:mod:`tsniqa.data.transfer` brings the bytes, :mod:`tsniqa.data.unpacking` opens the
archive. ``.<file>.unpacked`` then records what it held.
"""

import json
import logging
import time
from collections.abc import Callable
from pathlib import Path

import pooch
from filelock import FileLock, Timeout

from tsniqa.data.cards import DatasetCard, Download
from tsniqa.data.transfer import Transfer, unwritable
from tsniqa.data.unpacking import ARCHIVES, FOREIGN, unpack
from tsniqa.errors import DataError

log = logging.getLogger("tsniqa")


def fetch(
    card: DatasetCard, folder: Path, wait: Callable[[float], None] = time.sleep
) -> list[Path]:
    """Download every archive of a card into a folder, verify and unpack it there.

    What is already unpacked and recorded is not fetched again; the archives may be deleted.

    Args:
        card: The dataset.
        folder: The data root; archives and their content go there, or into the folder in it that
            the card names.
        wait: Called with the seconds to wait before a download is tried again.

    Returns:
        What the archives held at their top level, and downloads that are no archives.

    Raises:
        DataError: There is no open download, it failed, it is not what the card says, it cannot
            be unpacked safely, or the disk is full.
    """
    if card.access == "form" or not card.downloads:
        raise DataError(
            f"dataset '{card.name}' has no open download; see {card.homepage}: {card.how}"
        )
    folder = Path(folder).expanduser()
    pooch.get_logger().setLevel(logging.WARNING)  # this module logs what matters
    try:
        paths = []
        for download in card.downloads:
            place = folder / download.into
            place.mkdir(parents=True, exist_ok=True)
            with FileLock(place / f".{download.file}.lock", timeout=0):
                paths += _fetch_one(card, download, place, wait)
    except Timeout:
        raise DataError(
            f"{folder}: another process is fetching {download.file} there; wait for it"
        ) from None
    except OSError as error:
        raise unwritable(folder, error) from None
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
                downloader=Transfer(card, download, folder, wait),
            )
        )
        checksum = download.checksum or f"sha256:{pooch.file_hash(archive)}"
        if download.checksum is None:
            log.info(
                "%s has the checksum %s; none is published, so compare it with what others have",
                archive,
                checksum,
            )
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
    if download.checksum not in (None, checksum):
        return None
    if not all((folder / name).exists() for name in names):
        return None
    log.info("%s is already unpacked in %s", download.file, folder)
    return names

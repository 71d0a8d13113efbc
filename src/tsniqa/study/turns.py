"""Whose turn a run is: one process at a time computes it, in a folder beside that of its record."""

import logging
import shutil
from contextlib import suppress
from pathlib import Path

from filelock import AcquireReturnProxy, FileLock, Timeout

from tsniqa.errors import ConfigError
from tsniqa.paths import locked

log = logging.getLogger("tsniqa")


def partial_folder(folder: Path) -> Path:
    """Return where the record of a folder is made; it is gone when the record is there."""
    return folder.with_name(f"{folder.name}.partial")


def turn(folder: Path) -> AcquireReturnProxy:
    """Take a run's lock, so that two processes do not learn the same tasks.

    Raises:
        ConfigError: The records' folder cannot be written to.
    """
    try:
        lock = _lock(folder)
        try:
            return lock.acquire(timeout=0)
        except Timeout:
            log.info("%s: another process is computing this run; waiting for it", folder.name)
            return lock.acquire()
    except OSError as error:
        reason = f"{error.strerror}: {folder.parent}"
        raise ConfigError(f"records cannot be written ({reason}); name another folder") from error


def clear(folder: Path) -> None:
    """Remove what a process has left that was killed when its record was already there."""
    if (partial := partial_folder(folder)).exists():
        with suppress(Timeout, OSError), _lock(folder).acquire(timeout=0):
            shutil.rmtree(partial)


def _lock(folder: Path) -> FileLock:
    return locked(folder.parent / "locks" / f"{folder.name}.lock")

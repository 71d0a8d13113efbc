"""Where files are, in a checkout or an installed package, and what their bytes are."""

import hashlib
import os
from functools import lru_cache
from pathlib import Path

CACHE_VARIABLE = "TSNIQA_CACHE"
"""Environment variable naming the folder where images made or decoded here are kept."""

_PACKAGE = Path(__file__).resolve().parent
_CHECKOUT = _PACKAGE.parents[1]


def project_root() -> Path:
    """Return the folder that relative paths count from.

    Returns:
        The root of the checkout the package runs from; for an installed package, the current
        folder.
    """
    return _CHECKOUT if (_CHECKOUT / "book" / "_toc.yml").is_file() else Path.cwd()


def resolve(path: str | os.PathLike[str]) -> Path:
    """Resolve a path given by a user or a notebook.

    Args:
        path: Absolute, or relative to :func:`project_root`; ``~`` is the home folder.

    Returns:
        The absolute path; it need not exist.
    """
    return (project_root() / Path(path).expanduser()).resolve()


def cache_folder(kind: str) -> Path:
    """Return a folder for what can be made again.

    Args:
        kind: ``"mini"`` (the mini benchmark) or ``"decoded"`` (decoded images).

    Returns:
        ``$TSNIQA_CACHE/<kind>``, else ``.runs/<kind>`` in the checkout, or in the current folder
        for an installed package.
    """
    chosen = os.environ.get(CACHE_VARIABLE)
    parent = Path(chosen).expanduser() if chosen else project_root() / ".runs"
    return parent / kind


def shipped(folder: str) -> Path:
    """Return the folder of files the project ships.

    Args:
        folder: ``"presets"``, ``"backbones"`` or ``"datasets"``.
    """
    installed = _PACKAGE / "_data" / folder
    return installed if installed.is_dir() else _CHECKOUT / "data" / folder


def file_digest(path: Path) -> str:
    """Return the sha256 (hex) of a file's bytes.

    Raises:
        OSError: The file is missing or unreadable.
    """
    status = path.stat()
    return _digest(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=100_000)
def _digest(path: Path, size: int, modified: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""Where files are, in a checkout or an installed package, and what their bytes are."""

import ast
import hashlib
import os
import platform
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from filelock import FileLock

CACHE_VARIABLE = "TSNIQA_CACHE"  # environment variable for the folder of cache_folder
_PACKAGE = Path(__file__).resolve().parent
_CHECKOUT = _PACKAGE.parents[1]
_PARTIAL = ".partial"
_turn = threading.Lock()
_tidied: set[tuple[int, Path]] = set()


def project_root() -> Path:
    """Return the checkout the package runs from; for an installed package, the current folder."""
    return _CHECKOUT if (_CHECKOUT / "book" / "_toc.yml").is_file() else Path.cwd()


def resolve(path: str | os.PathLike[str]) -> Path:
    """Make a path absolute that counts from :func:`project_root`; ``~`` is the home folder."""
    return (project_root() / Path(path).expanduser()).resolve()


def cache_folder(kind: str) -> Path:
    """Return a folder for what can be made again: ``$TSNIQA_CACHE/<kind>`` or ``.runs/<kind>``."""
    chosen = os.environ.get(CACHE_VARIABLE)
    parent = Path(chosen).expanduser() if chosen else project_root() / ".runs"
    return parent / kind


def shipped(folder: str) -> Path:
    """Return the folder of shipped presets, backbones, datasets or models, by these names."""
    installed = _PACKAGE / "_data" / folder
    return installed if installed.is_dir() else _CHECKOUT / "data" / folder


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Give the place at which to write a file, so that it appears at its path at once and whole.

    It is on the disk before it appears, so that no loss of power leaves half of it. What processes
    that were killed have left in the folder is removed. Tensors are written as bytes: safetensors'
    own writing has further names for half a file, and hides why the system refuses it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_partials(path.parent)
    partial = path.with_suffix(f"{_mark()}{os.getpid()}{_PARTIAL}")
    try:
        yield partial
        _to_disk(partial)
        partial.replace(path)
        _to_disk(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def locked(path: Path) -> FileLock:
    """Return the lock of a file that can be made; for another one, FileLock would wait for ever.

    Raises:
        OSError: It cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return FileLock(path)


def remove_partials(folder: Path) -> None:
    """Remove what processes of this machine that are no more have written by half, once a process.

    On systems where nobody can ask for a process without ending it, they stay.
    """
    if os.name == "posix" and (os.getpid(), folder) not in _tidied:
        _tidied.add((os.getpid(), folder))
        for partial in folder.glob(f"*{_PARTIAL}"):
            owner = partial.name.removesuffix(_PARTIAL).rpartition(_mark())[2]
            if owner.isdigit() and not _runs(int(owner)):
                partial.unlink(missing_ok=True)


def _mark() -> str:
    return f".{platform.node()}-"


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # somebody else's
        return True
    return True


def _to_disk(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    if os.name == "posix" or path.is_file():  # elsewhere folders cannot be opened
        handle = os.open(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@lru_cache(maxsize=1)
def code_digest() -> str:
    """Return a sha256 (hex) of this package's code that results depend on.

    That is all but pages and command line, without comments, docstrings and layout.
    """
    digest = hashlib.sha256()
    for path in sorted(_PACKAGE.rglob("*.py")):
        place = path.relative_to(_PACKAGE)
        if place.parts[0] not in ("book", "cli"):
            digest.update(f"{place.as_posix()}\n{_meaning(path.read_text('utf-8'))}\n".encode())
    return digest.hexdigest()


def _meaning(code: str) -> str:
    """Return Python code as its syntax tree without docstrings."""
    tree = ast.parse(code)
    for node in ast.walk(tree):
        documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        if isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None:
            del node.body[0]
    return ast.dump(tree)


def is_file(path: Path) -> bool:
    """Return whether a path is a file; one that cannot be a path, for being too long, is none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def file_digest(path: Path) -> str:
    """Return a file's sha256 (hex), read once a process; OSError if it is unreadable."""
    status = path.stat()
    return _digest(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=100_000)
def _digest(path: Path, size: int, modified: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def remembered_digest(path: Path) -> str:
    """Return a file's :func:`file_digest`, reading an unchanged file once for all processes.

    As git does, the cache folder remembers it under the file's path, size and time of change. A
    file that was changed in the last two seconds is not remembered: a further change might leave
    its time as it is.
    """
    status = path.stat()
    name = str(path.resolve()).encode("utf-8", "backslashreplace").decode()  # it may be no text
    key = (name, status.st_size, status.st_mtime_ns)
    known = _ask("SELECT digest FROM digests WHERE (path, size, modified) = (?, ?, ?)", key)
    if known:
        return known[0][0]
    digest = file_digest(path)
    if time.time_ns() - status.st_mtime_ns > 2 * 10**9:
        _ask("REPLACE INTO digests VALUES (?, ?, ?, ?)", (*key, digest))
    return digest


def _ask(command: str, values: tuple[str | int, ...]) -> list[tuple[str]]:
    """Ask the store of digests; one that cannot be read or written is as good as empty."""
    try:
        with _turn:
            store = _store(cache_folder("digests") / "sha256.sqlite")
            return store.execute(command, values).fetchall()
    except (OSError, sqlite3.Error):
        return []


@lru_cache(maxsize=1)
def _store(file: Path) -> sqlite3.Connection:
    file.parent.mkdir(parents=True, exist_ok=True)
    store = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    store.execute("PRAGMA synchronous = OFF")  # what is lost is computed again
    store.execute(
        "CREATE TABLE IF NOT EXISTS digests"
        " (path TEXT PRIMARY KEY, size INTEGER, modified INTEGER, digest TEXT)"
    )
    return store

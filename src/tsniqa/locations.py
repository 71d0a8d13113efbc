"""Where the project's own files are: in a checkout, or inside an installed package."""

import os
from pathlib import Path

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


def shipped(folder: str) -> Path:
    """Return the folder of files the project ships.

    Args:
        folder: ``"presets"`` or ``"backbones"``.
    """
    installed = _PACKAGE / "_data" / folder
    return installed if installed.is_dir() else _CHECKOUT / "data" / folder

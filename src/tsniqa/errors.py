"""The one exception family: every message says what was wrong, where, and what to do.

The command line prints the message alone, on one line, and exits with code 2; a notebook shows
that line in place of a traceback.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


class TsniqaError(Exception):
    """Any foreseen failure; its text is one complete line for the user."""

    def _render_traceback_(self) -> list[str]:
        """Return what a notebook shows of this failure: one line in place of a traceback."""
        return [f"{type(self).__name__}: {self}"]


class ConfigError(TsniqaError):
    """An unknown name, an empty or repeated task order, a value out of range."""


class DataError(TsniqaError):
    """A missing or broken image, an unusable label, too few images."""


class WeightsError(TsniqaError):
    """Backbone weights that are missing, do not fit, or fail their checksum."""


class RecordError(TsniqaError):
    """A run record that is missing, unfinished or unreadable."""


def missing_image(path: Path) -> DataError:
    """Build the error, to be raised by the caller, for an image file that is not there."""
    return DataError(f"image {path} is missing; restore the file, or leave it out")


def one_line(error: object) -> str:
    """Return the text of somebody else's error on one line, or its kind if it has none."""
    return " ".join(str(error).split()) or type(error).__name__


def unknown_name(kind: str, name: str, valid: Iterable[str]) -> ConfigError:
    """Build the error, to be raised by the caller, for a name that is none of the valid ones.

    It lists them, and first the closest one; ``kind`` is what they are, for instance ``"task"``.
    """
    names = sorted(valid)
    close = get_close_matches(name, names, n=1)
    hint = f"; did you mean '{close[0]}'?" if close else ";"
    plural = f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}s"
    return ConfigError(f"unknown {kind} '{name}'{hint} valid {plural}: {', '.join(names)}")


def invalid_content(where: str, error: "ValidationError") -> ConfigError:
    """Build the error, to be raised by the caller, that tells pydantic's first finding.

    ``where`` is what was read, for instance ``"preset 'mini'"``.
    """
    first = error.errors()[0]
    # A place within a union also names the member that was tried, with a space in it.
    field = ".".join(str(part) for part in first["loc"] if " " not in str(part))
    reason = first["msg"].removeprefix("Value error, ")
    return ConfigError(": ".join(filter(None, (where, field, f"{reason}; correct the value"))))

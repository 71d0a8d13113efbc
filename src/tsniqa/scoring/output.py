"""Rows of scores in a file or on the terminal: a line as soon as it is known, never half a line."""

import csv
import io
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, TextIO

from tsniqa.errors import ConfigError, one_line

Format = Literal["table", "csv", "jsonl"]

#: How a text must not begin in a cell: spreadsheets would compute it.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
#: Names that are no text in any encoding pass through; no line end is translated.
_TEXT = {"encoding": "utf-8", "errors": "surrogateescape", "newline": ""}


class Output:
    """Where rows go: CSV, JSON lines, or a table for people.

    Args:
        form: ``csv`` begins with the names of columns; ``jsonl`` has one object a line; ``table``
            has the score first, and numbers with fewer digits.
        columns: Of every row, in order; the first is ``image``.
        path: The file; None is standard output.
        resume: Whether to go on where a file ends. A last line without an end is cut off.

    Raises:
        ConfigError: The file exists and is not to be gone on with, or has other columns, or cannot
            be written.
    """

    def __init__(
        self, form: Format, columns: Sequence[str], path: Path | None = None, resume: bool = False
    ) -> None:
        self.form, self.columns, self.path = form, list(columns), path
        self.done: set[str] = set()  #: names of images that the file has already
        self.last: tuple[str, float] | None = None  #: name and score of the last of them
        if path is None:
            sys.stdout.reconfigure(errors="surrogateescape", newline="")
            self._file: TextIO = sys.stdout
        else:
            if path.is_file() and not resume:
                raise ConfigError(f"{path} exists; go on with it by --resume, or name another file")
            if path.is_file():  # and no pipe or device
                self._take_up(path)
            try:
                self._file = path.open("a", **_TEXT)
            except OSError as error:
                raise ConfigError(f"cannot write to {path}: {error.strerror}") from error
        if form == "csv" and not (path and path.stat().st_size):
            self._put(self._cells(self.columns))

    def _take_up(self, path: Path) -> None:
        """Cut off half a line, and note what the file has."""
        content = path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        text = whole.decode(_TEXT["encoding"], _TEXT["errors"])
        try:
            if self.form == "csv":
                rows = list(csv.reader(io.StringIO(text, newline="")))
                found = rows[0] if rows else self.columns
                rows = [dict(zip(found, row, strict=True)) for row in rows[1:]]
            else:
                rows = [json.loads(line) for line in text.splitlines()]
                found = list(rows[0]) if rows else self.columns
            done = {row["image"] for row in rows}
            if rows and (score := rows[-1].get("score")) not in (None, ""):
                self.last = rows[-1]["image"], float(score)
        except (csv.Error, ValueError, LookupError, TypeError, AttributeError) as error:
            reason = one_line(error)
            raise ConfigError(
                f"{path} is no {self.form} of scores ({reason}); name another file"
            ) from error
        if found != self.columns:
            raise ConfigError(
                f"{path} has the columns {', '.join(found)}, not {', '.join(self.columns)}; give "
                "the options that it was written with, or name another file"
            )
        if len(whole) < len(content):
            path.write_bytes(whole)
        self.done = done

    def check_last(self, image: str, score: float) -> None:
        """Raise a ConfigError if the file's last image has another score there.

        It was then written by another model or readout, and rows must not be mixed.
        """
        if self.last is None or image != self.last[0]:
            return
        if not math.isclose(score, self.last[1], rel_tol=1e-3, abs_tol=1e-4):
            raise ConfigError(
                f"{self.path} has the score {self.last[1]:.6g} for {image}, not {score:.6g}; give "
                "the model and options that it was written with, or name another file"
            )

    def write(self, row: dict[str, Any]) -> None:
        """Write one row; it is in the file, or seen, when this returns.

        Raises:
            ConfigError: It cannot be written, a full disk for instance.
        """
        values = [row[name] for name in self.columns]
        if self.form == "csv":
            self._put(self._cells([_shown(value, "{:.6g}") for value in values]))
        elif self.form == "jsonl":
            known = [None if value != value else value for value in values]  # JSON has no NaN
            self._put(json.dumps(dict(zip(self.columns, known, strict=True))) + "\n")
        else:
            image, *others = values
            told = [_shown(value, "{:9.3f}") for value in others]
            self._put("  ".join([*told, str(image)]) + "\n")

    def _cells(self, values: Sequence[str]) -> str:
        line = io.StringIO()
        csv.writer(line, lineterminator="\n").writerow(values)
        return line.getvalue()

    def _put(self, text: str) -> None:
        try:
            self._file.write(text)
            self._file.flush()
        except BrokenPipeError:
            raise  # the reader has seen enough, as `head` has
        except OSError as error:
            place = self.path or "standard output"
            raise ConfigError(f"cannot write to {place}: {error.strerror}; free space") from error

    def __enter__(self) -> "Output":
        return self

    def __exit__(self, *error: object) -> None:
        if self.path is not None:
            self._file.close()


def _shown(value: Any, number: str) -> str:
    return number.format(value) if isinstance(value, float) else str(value)


def name_of(path: Path) -> str:
    """Return the name of an image in an output: one line, which no spreadsheet takes to compute."""
    name = str(path).replace("\n", "\\n").replace("\r", "\\r")
    return f"./{name}" if name.startswith(_FORMULA) else name

"""A report: one page of HTML that needs no other file, no network and no script.

Whatever comes from outside (names, paths, descriptions) passes through a template that escapes it,
or through matplotlib and :func:`.shown_table`, which do so themselves.
"""

import io
import re
import warnings
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import ClassVar

import pandas as pd
from matplotlib import rc_context
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from PIL import Image

from tsniqa.book.tables import shown_table
from tsniqa.errors import ConfigError
from tsniqa.paths import written_whole
from tsniqa.pixels import decode

_GENERATOR = '<meta name="generator" content="tsniqa'  # how a report is known
_SIDE, _QUALITY = 360, 78  # of example images: longest side in pixels, and of JPEG

#: What the theme of figures draws in is replaced by what the page has for it, light or dark.
_COLOURS = {".15": "var(--ink)", ".9": "var(--grid)", ".7": "var(--rule)"}
_ID = re.compile(r' id="[a-zA-Z0-9_.]+_\d+"')  # of groups, which nothing refers to


@dataclass(frozen=True)
class Picture:
    """A figure within the page, with what a reader who cannot see it is told."""

    kind: ClassVar[str] = "picture"
    svg: str
    alt: str
    width: int  #: in pixels, as drawn
    caption: str = ""


@dataclass(frozen=True)
class Table:
    """A table as HTML."""

    kind: ClassVar[str] = "table"
    html: str


@dataclass(frozen=True)
class Example:
    """A small image, and what is said of it: a name, then lines."""

    address: str
    name: str
    lines: Sequence[str]


@dataclass(frozen=True)
class Gallery:
    """Example images in a row."""

    kind: ClassVar[str] = "gallery"
    title: str
    images: Sequence[Example]


@dataclass(frozen=True)
class Card:
    """What there is to say of one thing: texts by name, and figures."""

    kind: ClassVar[str] = "card"
    title: str
    badge: str
    facts: Mapping[str, str]
    pictures: Sequence[Picture] = ()


Part = Picture | Table | Gallery | Card


@dataclass(frozen=True)
class Section:
    """A section of a report; neighbouring figures and cards stand side by side where they fit."""

    title: str
    text: str
    parts: Sequence[Part] = ()
    folded: bool = False  #: whether a click is needed to see it


@dataclass(frozen=True)
class Report:
    """A whole report.

    Attributes:
        title, lead: What it is of, and the first sentence.
        numbers: A few texts that say most, by what they are.
        sections: In order.
    """

    title: str
    lead: str
    numbers: Mapping[str, str]
    sections: list[Section] = field(default_factory=list)

    def html(self) -> str:
        """Return the page."""
        from jinja2 import Environment, FileSystemLoader, StrictUndefined

        environment = Environment(
            loader=FileSystemLoader(Path(__file__).parent),
            autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        )  # fmt: skip
        page = environment.get_template("report.html.j2")
        return page.render(report=self, generator=f"tsniqa {version('tsniqa')}")


@contextmanager
def names_as_they_are() -> Iterator[None]:
    """Draw names as they are: no mathematics in them, and no word of letters that a font lacks."""
    with rc_context({"text.parse_math": False}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # the reader's fonts may have them
        yield


def picture(draw: Callable[[], Figure], alt: str, caption: str = "") -> Picture:
    """Turn a figure into a part of a report.

    Args:
        draw: Draws it.
        alt: What it shows, for readers who cannot see it.
        caption: What is written above it.
    """
    stored = io.StringIO()
    own = {"svg.fonttype": "none", "svg.hashsalt": "tsniqa"}
    with names_as_they_are(), rc_context(own):
        draw().savefig(stored, format="svg", transparent=True, metadata={"Date": None})
    svg = stored.getvalue()
    svg = _ID.sub("", svg[svg.index("<svg") :])
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    for colour, name in _COLOURS.items():
        svg = svg.replace(to_hex(colour), name)
    width = round(float(re.search(r'width="([\d.]+)pt"', svg)[1]) * 4 / 3)
    svg = re.sub(r'(width|height)="[\d.]+pt" ?', "", svg[: svg.index(">")]) + svg[svg.index(">") :]
    return Picture(svg, alt, width, caption)


def table(content: pd.DataFrame, index: bool = True) -> Table:
    """Lay a table out as a part of a report."""
    return Table(shown_table(content, index=index).to_html())


def example(path: Path, root: Path | None, name: str, lines: Sequence[str]) -> Example:
    """Make a small copy of an image, without the data that cameras add, a part of a report.

    Args:
        path: The image.
        root: The folder which it must not leave, see :func:`tsniqa.pixels.decode`.
        name: What it is called.
        lines: What is said of it.

    Raises:
        DataError: It cannot be read, or lies outside.
    """
    small, stored = Image.fromarray(decode(path, root)), io.BytesIO()
    small.thumbnail((_SIDE, _SIDE))
    small.save(stored, "jpeg", quality=_QUALITY)
    address = f"data:image/jpeg;base64,{b64encode(stored.getvalue()).decode()}"
    return Example(address, name, lines)


def check_target(path: Path) -> None:
    """Raise a ConfigError unless a report can be written to a path; an older one is replaced."""
    try:
        if path.is_dir() or (path.exists() and not path.is_file()):
            raise ConfigError(f"{path} is no file; give --out another place")
        if path.exists() and _GENERATOR.encode() not in path.read_bytes()[:1000]:
            raise ConfigError(f"{path} exists and is no report; give --out another place")
        with written_whole(path.with_name(f".{path.name}.tried")) as partial:
            partial.touch()
        path.with_name(f".{path.name}.tried").unlink()
    except OSError as error:
        raise ConfigError(
            f"cannot write to {path}: {error.strerror}; give --out another place"
        ) from error


def write_report(report: Report, path: Path) -> None:
    """Write a report to a file, which is the old one or the new one at every moment."""
    with written_whole(path) as partial:
        # Names of files may hold what is no text in any encoding.
        partial.write_text(report.html(), encoding="utf-8", errors="backslashreplace")

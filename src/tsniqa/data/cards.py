"""Dataset cards: what each catalogued dataset is, where it comes from, how its folder is known.

A card is a YAML file in ``data/datasets``; the card's name is the task's name. Cards hold facts
about a dataset and never its images or ratings.
"""

from functools import cache
from typing import Literal

import yaml
from pydantic import BaseModel, Field, PositiveInt

from tsniqa.errors import unknown_name
from tsniqa.paths import shipped

#: The six datasets of the TSN-IQA paper, in its order.
PAPER = ("live", "csiq", "bid", "live-challenge", "koniq-10k", "kadid-10k")


class Download(BaseModel, extra="forbid", frozen=True):
    """One archive with an open download.

    Attributes:
        checksum: ``"sha256:..."`` or ``"md5:..."`` as published.
        size_mb: Size in megabytes (10^6 bytes) as published.
        into: Folder below the data root that receives it, where the archive has none of its own.
        source: Public address that states URL and checksum.
    """

    url: str
    file: str
    checksum: str | None = None
    size_mb: float | None = None
    into: str = Field(default="", pattern=r"^[\w-]*$")
    source: str


class Confirmed(BaseModel, extra="forbid", frozen=True):
    """A fact about a format, and the public source it was read in."""

    fact: str
    source: str


class DatasetCard(BaseModel, extra="forbid", frozen=True):
    """What is known of a dataset.

    Attributes:
        references: Published number of pristine images, or None where there are none.
        mos_range: The two ends of the scale that the task uses, higher is better.
        flipped: True if the published ratings are lower-is-better and the reader turns them round.
        size_mb: Size of what has to be downloaded in megabytes, where it is published.
        folders: Names of the folder that its archives unpack to.
        reader: Module in :mod:`tsniqa.data.readers` that reads the official layout.
        subset: What of the folder is this dataset, for a reader that reads several.
        markers: Files by which the official layout is recognised; one of them is enough.
    """

    name: str
    title: str
    images: PositiveInt
    references: PositiveInt | None = None
    distortions: str
    rating: str
    mos_range: tuple[float, float]
    flipped: bool = False
    licence: str
    size_mb: float | None = None
    access: Literal["download", "form"]
    how: str
    homepage: str
    downloads: tuple[Download, ...] = ()
    folders: tuple[str, ...]
    reader: str = Field(pattern=r"^\w+$")
    subset: str | None = None
    markers: tuple[str, ...]
    citation: str
    confirmed: tuple[Confirmed, ...]
    assumed: tuple[str, ...] = ()


@cache
def load_cards() -> dict[str, DatasetCard]:
    """Read all cards by name: :data:`PAPER` in its order, then the others in order of name."""
    cards = {}
    for path in shipped("datasets").glob("*.yml"):
        content = yaml.safe_load(path.read_text("utf-8"))
        cards[path.stem] = DatasetCard(name=path.stem, **content)
    return {name: cards[name] for name in [*PAPER, *sorted(cards.keys() - set(PAPER))]}


def find_card(name: str) -> DatasetCard:
    """Return one card, or raise a ConfigError that lists the catalogue."""
    if name not in load_cards():
        raise unknown_name("dataset", name, load_cards())
    return load_cards()[name]

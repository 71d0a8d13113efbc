"""The catalogue: which reader belongs to which dataset, and where a dataset lies under a data root.

A dataset may lie under its task's name or under the name that its archive unpacks to, in the
generic layout (:mod:`tsniqa.data.readers.labels_csv`), in its official one, or beside a
meta-information table (:mod:`tsniqa.data.readers.meta_info`).
"""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Literal

import pandas as pd

from tsniqa.data.cards import load_cards
from tsniqa.data.readers import files, labels_csv, meta_info
from tsniqa.data.task import COLUMNS, Task


@dataclass(frozen=True)
class Source:
    """A dataset, by its task's name, that lies in a folder in one of the layouts."""

    name: str
    folder: Path
    layout: Literal["generic", "official", "meta-information"]


def locate(name: str, data_root: Path) -> Source | None:
    """Find a dataset by its task's name under a data root, or in the data root itself.

    A folder of the user's is found by its own spelling alone: splits and seeds come from the name.
    """
    data_root = Path(data_root)
    own = files.find(data_root, name)
    spelled_so = own is not None and own.name == name
    if spelled_so and (own / labels_csv.LABELS).is_file():
        return Source(name, own, "generic")
    if card := load_cards().get(name):
        for folder in [own, *(files.find(data_root, other) for other in card.folders), data_root]:
            if folder and files.find(folder, *card.markers):
                return Source(name, folder, "official")
    if spelled_so and meta_info.tables(own):
        return Source(name, own, "meta-information")
    return None


def sources(data_root: Path) -> list[Source]:
    """Find every dataset under a data root, catalogued ones first, the others in name order."""
    folders = sorted(path.name for path in Path(data_root).glob("*") if path.is_dir())
    found = [locate(name, data_root) for name in dict.fromkeys([*load_cards(), *folders])]
    return [source for source in found if source is not None]


def recognise(folder: Path) -> list[Source]:
    """Tell which datasets a folder itself holds (BIQ2021's holds three), by the files in it."""
    folder = Path(folder)
    if (folder / labels_csv.LABELS).is_file():
        return [Source(folder.name, folder, "generic")]
    cards = [card for card in load_cards().values() if files.find(folder, *card.markers)]
    if not cards and meta_info.tables(folder):
        return [Source(folder.name, folder, "meta-information")]
    return [Source(card.name, folder, "official") for card in cards]


def read(source: Source) -> Task:
    """Read a dataset's table, or raise a DataError; images are not needed.

    ``split`` is empty where neither its folder nor its authors give one, and ratings that are no
    numbers are NaN in an official layout.
    """
    if source.layout == "generic":
        return labels_csv.read(source.name, source.folder)
    if source.layout == "meta-information":
        table = meta_info.read(source.folder)
        about = {"mos_range": (float(table["mos"].min()), float(table["mos"].max()))}
    else:
        card = load_cards()[source.name]
        reader = import_module(f"tsniqa.data.readers.{card.reader}")
        table = reader.read(source.folder, *filter(None, [card.subset]))
        about = {
            "citation": card.citation,
            "licence": card.licence,
            "mos_range": card.mos_range,
            "description": f"{card.title}: {card.distortions}",
        }
    table = table[list(COLUMNS)].sort_values("image", ignore_index=True)
    return Task(name=source.name, root=source.folder, table=table, **about)


def overview(data_root: Path | None = None) -> pd.DataFrame:
    """Tabulate every catalogued dataset, in texts, and with a data root whether it is here."""
    rows = []
    for card in load_cards().values():
        low, high = card.mos_range
        size = f"{card.size_mb:.0f} MB" if card.size_mb else "not stated"
        if card.size_mb and card.size_mb >= 1000:
            size = f"{card.size_mb / 1000:.1f} GB"
        row = {
            "dataset": card.name,
            "title": card.title,
            "images": f"{card.images:,}",
            "references": str(card.references or "none"),
            "scale": f"{low:g} to {high:g}{' (turned round)' if card.flipped else ''}",
            "distortions": card.distortions,
            "licence": card.licence,
            "size": size,
            "how to get it": card.how,
        }
        if data_root is not None:
            source = locate(card.name, data_root)
            row["here"] = "no" if source is None else f"yes: {source.folder}"
        rows.append(row)
    return pd.DataFrame(rows)

"""The catalogue as tables: for the command line, and for the page "Getting the data"."""

from pathlib import Path

import pandas as pd

from tsniqa.data import catalogue
from tsniqa.data.cards import DatasetCard, load_cards


def table(data_root: Path | None = None) -> pd.DataFrame:
    """Tabulate every catalogued dataset.

    Args:
        data_root: Where to look for them; None leaves out whether they are there.

    Returns:
        One row a dataset, texts only: dataset (task name), title, images, references, scale,
        distortions, licence, size, how to get it, and, with a data root, here.
    """
    rows = []
    for card in load_cards().values():
        row = {
            "dataset": card.name,
            "title": card.title,
            "images": f"{card.images:,}",
            "references": str(card.references or "none"),
            "scale": _scale(card),
            "distortions": card.distortions,
            "licence": card.licence,
            "size": _size(card.size_mb),
            "how to get it": card.how,
        }
        if data_root is not None:
            source = catalogue.locate(card.name, data_root)
            row["here"] = "no" if source is None else f"yes: {source.folder}"
        rows.append(row)
    return pd.DataFrame(rows)


def _scale(card: DatasetCard) -> str:
    low, high = card.mos_range
    return f"{low:g} to {high:g}{' (turned round)' if card.flipped else ''}"


def _size(megabytes: float | None) -> str:
    if megabytes is None:
        return "not stated"
    return f"{megabytes / 1000:.1f} GB" if megabytes >= 1000 else f"{megabytes:.0f} MB"


def homepages() -> dict[str, str]:
    """Return the authors' page of every dataset, by the dataset's name."""
    return {card.name: card.homepage for card in load_cards().values()}


def format_facts() -> pd.DataFrame:
    """Tabulate what of each format was confirmed from which source, and what is assumed.

    Returns:
        One row a fact: dataset, fact, status (``"confirmed"`` or ``"assumed"``), source (empty for
        an assumption).
    """
    rows = [
        {"dataset": card.name, "fact": one.fact, "status": "confirmed", "source": one.source}
        for card in load_cards().values()
        for one in card.confirmed
    ] + [
        {"dataset": card.name, "fact": text, "status": "assumed", "source": ""}
        for card in load_cards().values()
        for text in card.assumed
    ]
    order = list(load_cards())
    return pd.DataFrame(rows).sort_values(
        "dataset", key=lambda names: names.map(order.index), kind="stable", ignore_index=True
    )


def lines(data_root: Path) -> list[str]:
    """Return the catalogue as lines of text, a few for each dataset.

    Args:
        data_root: Where to look for the datasets.
    """
    text = [
        f"looked for under {data_root}; on every scale higher is better ('turned round': the"
        " authors publish it lower-is-better)"
    ]
    for row in table(data_root).to_dict("records"):
        text += [
            "",
            f"{row['dataset']}: {row['title']}",
            f"  here         {row['here']}",
            f"  images       {row['images']} rated, references: {row['references']}",
            *(f"  {key:<12} {row[key]}" for key in ("scale", "distortions", "licence", "size")),
            f"  how to get   {row['how to get it']}",
        ]
    return text

"""Tables as readers see them: three decimals, dashes for missing values, bounds set apart."""

from collections.abc import Callable, Mapping, Sequence
from html import escape, unescape

import pandas as pd
from pandas.io.formats.style import Styler

from tsniqa.study.ways import COMPARED, LOWER, REMEMBERS, ROLES, SUMMARY, TOLD, UPPER, best_ways

ROLE_BACKGROUNDS = {
    UPPER: "rgba(2, 115, 178, 0.16)",
    TOLD: "rgba(2, 115, 178, 0.07)",
    REMEMBERS: "rgba(222, 143, 5, 0.12)",
}
"""Tints that stay legible on light and dark pages."""


BEST, SECOND = "font-weight: bold; text-decoration: underline", "text-decoration: underline"
"""How the best and the second best value of a column stand out."""


def shown_table(
    table: pd.DataFrame,
    formats: Mapping[str, str | Callable[[str], str]] | None = None,
    index: bool = True,
) -> Styler:
    """Lay a table out; its texts are shown as they are, whatever HTML would make of them.

    Args:
        table: Any table.
        formats: Formats of columns that are not to have three decimals: a format string, or a
            function that returns HTML.
        index: Whether row names are shown.

    Returns:
        A styler, which a notebook shows as HTML.
    """
    chosen = {column: "{:.3f}" for column in table.select_dtypes("float").columns}
    texts = dict.fromkeys(table.columns.difference(table.select_dtypes("number").columns))
    styler = table.style.format({**texts, **chosen, **(formats or {})}, na_rep="–", escape="html")
    styler = styler.set_table_styles(
        [
            {"selector": "th", "props": "text-align: left"},
            {"selector": "th, td", "props": "padding: 0.2em 0.7em; vertical-align: top"},
        ]
    )
    return styler if index else styler.hide(axis="index")


def as_link(addresses: Mapping[str, str] | None = None) -> Callable[[str], str]:
    """Make a format for :func:`shown_table` that turns a column's texts into links.

    Args:
        addresses: Address by text. By default the texts are addresses themselves, and only the
            beginning of one is shown. An empty text stays empty.
    """

    def link(text: str) -> str:
        if not text:
            return ""
        text = unescape(text)  # pandas escapes a text before any format
        address = text if addresses is None else addresses[text]
        shown = "/".join(text.split("/")[2:5]) if addresses is None else text
        return f'<a href="{escape(address)}">{escape(shown)}</a>'

    return link


def shown_comparison(table: pd.DataFrame, tasks: Sequence[str]) -> Styler:
    """Lay out the comparison of strategies: bounds tinted, best and second best of the others.

    Args:
        table: From :func:`tsniqa.study.ways.comparison_table`.
        tasks: Its columns of single tasks.
    """
    formats = dict.fromkeys(("learnable", "stored"), "{:,.0f}") | {"weight": "{:g}"}
    formats |= dict.fromkeys(("learning", "scoring"), "{:.1f}")
    styler = shown_table(table, formats)
    for column in (*tasks, *SUMMARY):
        best, second = best_ways(table, column)
        for labels, style in ((best, BEST), (second, SECOND)):
            styler = styler.map(lambda _, style=style: style, subset=(labels, column))
    return styler.apply(_tint, axis=1)


def _tint(row: pd.Series) -> list[str]:
    colour = ROLE_BACKGROUNDS.get(row["role"])
    return [f"background-color: {colour}" if colour else ""] * len(row)


def role_note() -> str:
    """Explain the roles of :data:`tsniqa.study.ways.ROLES` in Markdown."""
    meaning = {
        UPPER: "sees all tasks at once, or has a whole network for each and is told the task",
        TOLD: "picks the head by the name of the task, which nobody knows in use",
        REMEMBERS: "replays from a memory that here holds every training image of every task",
        COMPARED: "knows the image alone, and of earlier tasks no more than it may keep",
        LOWER: "learns on and on, with no defence against forgetting",
    }
    note = "A bound is named after what it may use, which is no promise that it comes out higher."
    return "\n".join(f"- **{role}**: {meaning[role]}" for role in ROLES) + f"\n\n{note}"

"""Tables as readers see them: three decimals, dashes for missing values, bounds set apart."""

from collections.abc import Mapping, Sequence
from html import escape

import pandas as pd
from pandas.io.formats.style import Styler

from tsniqa.ways import COMPARED, ROLES, SUMMARY, UPPER, best_ways

ROLE_BACKGROUNDS = {UPPER: "rgba(2, 115, 178, 0.16)", "task is told": "rgba(2, 115, 178, 0.07)"}
"""Tints that stay legible on light and dark pages."""


def shown_table(
    table: pd.DataFrame, formats: Mapping[str, str] | None = None, index: bool = True
) -> Styler:
    """Lay a table out.

    Args:
        table: Any table.
        formats: Format strings of columns that are not to have three decimals.
        index: Whether row names are shown.

    Returns:
        A styler, which a notebook shows as HTML.
    """
    chosen = {column: "{:.3f}" for column in table.select_dtypes("float").columns}
    styler = table.style.format({**chosen, **(formats or {})}, na_rep="–")
    styler = styler.set_table_styles(
        [
            {"selector": "th", "props": "text-align: left"},
            {"selector": "th, td", "props": "padding: 0.2em 0.7em; vertical-align: top"},
        ]
    )
    return styler if index else styler.hide(axis="index")


def linked(
    table: pd.DataFrame, column: str, addresses: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """Turn the texts of one column into links.

    Args:
        table: Any table.
        column: The column.
        addresses: Address by text; by default the texts are addresses themselves. An empty text
            stays empty.

    Returns:
        A copy whose column holds HTML.
    """

    def link(text: str) -> str:
        if not text:
            return ""
        address = text if addresses is None else addresses[text]
        return f'<a href="{escape(address)}">{escape(text)}</a>'

    return table.assign(**{column: table[column].map(link)})


def shown_comparison(table: pd.DataFrame, tasks: Sequence[str]) -> Styler:
    """Lay out the comparison of strategies: bounds tinted, the best of the others bold.

    Args:
        table: From :func:`tsniqa.ways.comparison_table`.
        tasks: Its columns of single tasks.
    """
    formats = {"learnable": "{:,.0f}", "stored": "{:,.0f}", "learning": "{:.1f}"}
    styler = shown_table(table, formats)
    for column in (*tasks, *SUMMARY):
        best = best_ways(table, column)
        styler = styler.map(
            lambda _: "font-weight: bold; text-decoration: underline", subset=(best, column)
        )
    return styler.apply(_tint, axis=1)


def _tint(row: pd.Series) -> list[str]:
    colour = ROLE_BACKGROUNDS.get(row["role"])
    return [f"background-color: {colour}" if colour else ""] * len(row)


def role_note() -> str:
    """Explain the roles of :data:`tsniqa.ways.ROLES` in Markdown."""
    meaning = {
        UPPER: "sees all tasks at once, or has a whole network for each and is told the task",
        ROLES[1]: "picks the head by the name of the task, which nobody knows in use",
        COMPARED: "knows the image alone",
        ROLES[3]: "no defence against forgetting",
    }
    note = "A bound is named after what it may use, which is no promise that it comes out higher."
    return "\n".join(f"- **{role}**: {meaning[role]}" for role in ROLES) + f"\n\n{note}"

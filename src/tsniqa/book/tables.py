"""Tables as readers see them: three decimals, dashes for missing values, texts as they are."""

import itertools
from collections.abc import Callable, Mapping
from html import escape, unescape

import pandas as pd
from pandas.api.types import is_numeric_dtype
from pandas.io.formats.style import Styler

_NUMBERS = itertools.count()  # names of tables: unique on a page, and the same at every execution


def shown_table(
    table: pd.DataFrame,
    formats: Mapping[str, str | Callable[[str], str]] | None = None,
    index: bool = True,
    caption: str | None = None,
) -> Styler:
    """Lay a table out; its texts are shown as they are, whatever HTML would make of them.

    Args:
        table: Any table.
        formats: Formats of columns that are not to have three decimals: a format string, or a
            function that returns HTML.
        index: Whether row names are shown.
        caption: What is written above the table.

    Returns:
        A styler, which a notebook shows as HTML.
    """
    chosen = {column: "{:.3f}" for column in table.select_dtypes("float").columns}
    texts = dict.fromkeys(table.columns.difference(table.select_dtypes("number").columns))
    styler = Styler(table, uuid=str(next(_NUMBERS)), cell_ids=False, caption=caption)
    styler.format({**texts, **chosen, **(formats or {})}, na_rep="–", escape="html")
    # The theme of the book knows the class, in light and in dark.
    styler.set_table_attributes('class="dataframe"')
    right = [f".col{place}" for place, kind in enumerate(table.dtypes) if is_numeric_dtype(kind)]
    if right:
        styler.set_table_styles([{"selector": ", ".join(right), "props": "text-align: right"}])
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

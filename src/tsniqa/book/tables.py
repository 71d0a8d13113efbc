"""Tables as readers see them: three decimals, dashes for missing values, texts as they are."""

import itertools
import re
from collections.abc import Callable, Mapping
from html import escape, unescape

import pandas as pd
from pandas.api.types import is_numeric_dtype
from pandas.io.formats.style import Styler
from pandas.io.formats.style_render import CSSDict

_INTERVAL = re.compile(r"^([-+]?[\d.]+%?) (\([-+\d.%]+ to [-+\d.%]+\))")
_SHORT, _LONG = 24, 60  # letters: of row names that are not broken, of texts that need room
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
    if index and table.index.name and table.index.nlevels == table.columns.nlevels == 1:
        # In the corner of the header instead of a row of its own; pandas does not escape it there.
        table = table.rename_axis(index=None, columns=escape(str(table.index.name)))
    chosen = {column: "{:.3f}" for column in table.select_dtypes("float").columns}
    texts = table.columns.difference(table.select_dtypes("number").columns)
    styler = Styler(
        table, uuid=str(next(_NUMBERS)), cell_ids=False, caption=caption and escape(caption)
    )
    styler.format(
        {**dict.fromkeys(texts, _text), **chosen, **(formats or {})}, na_rep="–", escape="html"
    )
    for axis in ("index", "columns"):
        styler.format_index(escape="html", axis=axis)
    # The theme of the book knows the class, in light and in dark.
    styler.set_table_attributes('class="dataframe"').set_table_styles(_rules(table))
    return styler if index else styler.hide(axis="index")


def _text(text: object) -> str:
    """Put an interval on a line of its own, so that columns stay narrow."""
    return _INTERVAL.sub(r'\1<br><span class="interval">\2</span>', str(text))


def _rules(table: pd.DataFrame) -> list[CSSDict]:
    """Say which columns stand at the right or need room, and whether row names may be broken."""
    kinds = [is_numeric_dtype(kind) for kind in table.dtypes]
    longest = [
        0 if table.empty else table.iloc[:, i].map(str).str.len().max() for i in range(len(kinds))
    ]
    rules = {
        "text-align: right": [f".col{i}" for i, numeric in enumerate(kinds) if numeric],
        "min-width: 16em": [f".col{i}" for i, size in enumerate(longest) if size >= _LONG],
    }
    if max(map(len, map(str, table.index)), default=0) <= _SHORT:
        rules["white-space: nowrap"] = [".row_heading"]
    return [{"selector": ", ".join(where), "props": how} for how, where in rules.items() if where]


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

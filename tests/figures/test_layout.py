"""Tables as readers see them."""

import numpy as np
import pandas as pd

from tsniqa.figures.layout import ROLE_BACKGROUNDS, linked, role_note, shown_comparison, shown_table
from tsniqa.ways import ROLES, UPPER, comparison_table


def test_numbers_have_three_decimals_and_missing_ones_are_dashes():
    table = pd.DataFrame({"SRCC": [0.12345, np.nan], "images": [7, 8]}, index=["a", "b"])
    html = shown_table(table).to_html()
    assert ">0.123<" in html
    assert ">–<" in html
    assert ">7<" in html
    assert ">a<" in html
    assert ">a<" not in shown_table(table, index=False).to_html()
    assert ">0.1<" in shown_table(table, {"SRCC": "{:.1f}"}).to_html()


def test_an_empty_table_can_be_shown():
    assert "SRCC" in shown_table(pd.DataFrame(columns=["SRCC"]), {"SRCC": "{:.1f}"}).to_html()


def test_bounds_are_tinted_and_the_best_of_the_others_stands_out(finished):
    table = comparison_table({name: [finished(name)] for name in ("tsn", "joint", "sequential")})
    styler = shown_comparison(table, ["alpha", "beta", "gamma"])
    styler._compute()
    column = table.columns.get_loc("mean SRCC")
    emphasised = [
        table.index[row]
        for (row, place), styles in styler.ctx.items()
        if place == column and ("font-weight", "bold") in styles
    ]
    others = table[table["role"].isin(("compared", "lower bound"))]["mean SRCC"]
    assert emphasised == others.index[others == others.max()].tolist()
    joint = table.index.get_loc("joint")
    assert ("background-color", ROLE_BACKGROUNDS[UPPER]) in styler.ctx[joint, column]


def test_every_role_is_explained():
    assert all(f"**{role}**: " in role_note() for role in ROLES)


def test_texts_become_links_and_stay_texts():
    table = pd.DataFrame({"name": ["a&b", ""], "n": [1, 2]})
    shown = linked(table, "name", {"a&b": "https://x.org/?a=1&b=2"})
    assert list(shown["name"]) == ['<a href="https://x.org/?a=1&amp;b=2">a&amp;b</a>', ""]
    addresses = pd.DataFrame({"source": ["https://x.org"]})
    assert linked(addresses, "source")["source"][0] == '<a href="https://x.org">https://x.org</a>'
    assert list(table["name"]) == ["a&b", ""]

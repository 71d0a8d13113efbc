"""Tables as readers see them."""

import re

import numpy as np
import pandas as pd

from tsniqa.book.tables import as_link, shown_table


def test_numbers_have_three_decimals_and_missing_ones_are_dashes():
    table = pd.DataFrame({"SRCC": [0.12345, np.nan], "images": [7, 8]}, index=["a", "b"])
    html = shown_table(table).to_html()
    assert ">0.123<" in html
    assert ">–<" in html
    assert ">7<" in html
    assert ">a<" in html
    assert ">a<" not in shown_table(table, index=False).to_html()
    assert ">0.1<" in shown_table(table, {"SRCC": "{:.1f}"}).to_html()


def test_no_id_is_used_twice_and_numbers_stand_at_the_right():
    table = pd.DataFrame({"name": ["a"], "n": [1]})
    shown = [shown_table(table, caption="What it is").to_html() for _ in range(2)]
    ids = [found for html in shown for found in re.findall(r'id="([^"]+)"', html)]
    assert len(ids) == len(set(ids)) == 2
    assert re.search(r"\.col1 \{\s*text-align: right", shown[0])
    assert "<caption>What it is</caption>" in shown[0]


def test_an_empty_table_can_be_shown():
    assert "SRCC" in shown_table(pd.DataFrame(columns=["SRCC"]), {"SRCC": "{:.1f}"}).to_html()


def test_texts_are_shown_as_they_are():
    html = shown_table(pd.DataFrame({"file": ["img<i>.bmp & more"], "n": [1]})).to_html()
    assert "img&lt;i&gt;.bmp &amp; more" in html


def test_an_interval_has_a_line_of_its_own():
    table = pd.DataFrame({"SRCC": ["0.714 (0.689 to 0.735)", "–", "+0.02 (-0.1 to +0.1), equal"]})
    html = shown_table(table).to_html()
    assert '0.714<br><span class="interval">(0.689 to 0.735)</span><' in html
    assert ">–<" in html
    assert "(-0.1 to +0.1)</span>, equal<" in html


def test_the_name_of_the_rows_stands_in_the_corner():
    table = pd.DataFrame({"SRCC": [0.5]}, pd.Index(["tsn"], name="strategy"))
    html = shown_table(table).to_html()
    assert len(re.findall("<tr>", html)) == 2
    assert html.index(">strategy<") < html.index(">SRCC<")


def test_long_texts_get_room_and_short_row_names_are_not_broken():
    table = pd.DataFrame({"n": [1], "why": ["a reason " * 20]}, index=["head-only"])
    html = shown_table(table).to_html()
    assert re.search(r"\.col1 \{\s*min-width: 16em", html)
    assert re.search(r"\.row_heading \{\s*white-space: nowrap", html)
    assert "nowrap" not in shown_table(table.rename({"head-only": "an expectation " * 5})).to_html()


def test_texts_become_links():
    table = pd.DataFrame({"name": ["a&b", ""]})
    html = shown_table(table, {"name": as_link({"a&b": "https://x.org/?a=1&b=2"})}).to_html()
    assert '<a href="https://x.org/?a=1&amp;b=2">a&amp;b</a>' in html
    assert html.count("<a ") == 1


def test_of_an_address_the_beginning_is_shown():
    address = "https://github.com/owner/name/blob/0123456789/long/path.m"
    assert as_link()(address) == f'<a href="{address}">github.com/owner/name</a>'
    assert as_link()("https://x.org") == '<a href="https://x.org">x.org</a>'

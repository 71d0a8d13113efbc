"""Tabs and folds: everything is in one output, described, with ids of its own."""

import re

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from IPython.display import Image

from tsniqa.book.layout import folded, tabs


@pytest.fixture
def figure():
    figure, axes = plt.subplots()
    axes.set_title("50% of a & b")
    plt.close(figure)
    return figure


def test_every_tab_has_its_label_and_its_content(figure):
    table = pd.DataFrame({"SRCC": [0.5]})
    shown = {
        "tsn": ("a < b", figure),
        "joint": table.style,
        "x&y": Image(b"\xff\xd8", format="jpeg"),
    }
    html = tabs("matrix", shown, "matrices").data
    assert re.findall(r'data-sync-id="(.*?)">(.*?)</label>', html) == [
        ("tsn", "tsn"), ("joint", "joint"), ("x&amp;y", "x&amp;y"),
    ]  # fmt: skip
    assert html.count(" checked>") == 1
    assert ">a &lt; b</p>" in html
    assert "SRCC" in html
    assert re.findall(r'alt="(.*?)"', html) == ["tsn: matrices", "x&amp;y: matrices"]
    assert re.findall(r'src="data:image/(.*?)[,;]', html) == ["svg+xml", "jpeg"]


def test_a_figure_keeps_its_text_and_does_not_end_the_attribute_it_stands_in(figure):
    source = re.search(r'src="(data:[^"]*)"', tabs("one", {"a": figure}, "b").data).group(1)
    assert "50%25 of a" in source
    assert "#" not in source and "&" not in source


def test_tabs_of_two_sets_have_different_ids_and_change_together():
    html = "".join(tabs(name, {"a": "x", "b": "y"}, "z").data for name in ("one", "two"))
    ids = re.findall(r' id="(.*?)"', html)
    assert len(set(ids)) == len(ids) == 4
    assert ids == re.findall(r' for="(.*?)"', html)
    assert set(re.findall(r'data-sync-group="(.*?)"', html)) == {"strategy"}


def test_folds_have_a_title_each():
    html = folded({"a & b": ("first", pd.DataFrame({"c": [1]}).style), "d": "second"}).data
    assert re.findall(r"<summary.*?>(.*?)</summary>", html) == ["a &amp; b", "d"]
    assert html.index("first") < html.index(">c<") < html.index("second")

"""The book as built, where it has been built: no failed cell, no dead link, no network."""

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlparse

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
HTML = ROOT / "_build" / "html"
PAGES = sorted((ROOT / "book" / "runs").glob("*.ipynb"))


class Addresses(HTMLParser):
    """Collect what a page loads and links to, its anchors, and pictures without a description."""

    def __init__(self, text):
        super().__init__()
        self.loaded, self.links, self.anchors, self.mute = [], [], set(), []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if "id" in given:
            self.anchors.add(given["id"])
        if tag in ("script", "img", "iframe", "source"):
            self.loaded.append(given.get("src"))
        if tag == "img" and not given.get("alt"):
            self.mute.append(self.get_starttag_text()[:120])
        if tag == "link" and given.get("rel") in ("stylesheet", "preload", "icon"):
            self.loaded.append(given.get("href"))
        if tag == "a":
            self.links.append(given.get("href"))


@pytest.fixture(scope="module")
def built():
    pages = sorted((HTML / "book").rglob("*.html")) if HTML.is_dir() else []
    if not pages:
        pytest.skip("the book is not built here; run make book first")
    return {page: Addresses(page.read_text()) for page in pages}


def test_no_executed_page_holds_a_failed_cell():
    if not PAGES:
        pytest.skip("no page is executed here; run make book first")
    for page in PAGES:
        for cell in nbformat.read(page, as_version=4).cells:
            kinds = [output.output_type for output in cell.get("outputs", [])]
            assert "error" not in kinds, f"{page.name}: {cell.source}"


def test_no_page_loads_anything_from_the_network(built):
    for page, addresses in built.items():
        remote = [a for a in addresses.loaded if a and urlparse(a).scheme in ("http", "https")]
        assert not remote, f"{page.name} loads {remote}"
        assert not re.search(r"@import\s+url\(['\"]?http", page.read_text())


def test_no_internal_link_is_broken(built):
    for page, addresses in built.items():
        for link in filter(None, addresses.links):
            target = urlparse(link)
            if target.scheme or target.netloc or link.startswith("#"):
                continue
            path = (page.parent / unquote(target.path)).resolve() if target.path else page
            assert path.exists(), f"{page.name} links to {link}"
            if target.fragment and path in built:
                assert unquote(target.fragment) in built[path].anchors, f"{page.name}: {link}"


def test_every_picture_has_a_description(built):
    for page, addresses in built.items():
        assert not addresses.mute, f"{page.name}: {addresses.mute}"

"""The parts of the book that are written by hand fit each other and the package."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
BOOK = ROOT / "book"
CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text())
TOC = yaml.safe_load((BOOK / "_toc.yml").read_text())


def chapters() -> list[str]:
    """Return every file the table of contents names."""
    entries = [entry for part in TOC["parts"] for entry in part["chapters"]]
    return [TOC["root"], *(entry["file"] for entry in entries if "file" in entry)]


def test_every_prose_chapter_is_in_the_table_of_contents_and_the_other_way_round():
    prose = {name for name in chapters() if not name.startswith("book/runs/")}
    assert prose == {f"book/{path.stem}" for path in BOOK.glob("*.md")}


def test_the_build_never_executes_a_notebook():
    assert CONFIG["execute"]["execute_notebooks"] == "off"


def test_equations_need_no_network():
    path = CONFIG["sphinx"]["config"]["mathjax_path"]
    script = BOOK / "_static" / path
    assert script.is_file()
    assert list((script.parent / "output" / "chtml" / "fonts" / "woff-v2").glob("*.woff"))


def test_the_package_page_lists_every_module():
    listed = set(re.findall(r"automodule:: (\S+)", (BOOK / "api.md").read_text()))
    package = ROOT / "src" / "tsniqa"
    modules = {
        ".".join(path.relative_to(package.parent).with_suffix("").parts)
        for path in package.rglob("*.py")
        if not path.name.startswith("_")
    }
    modules |= {
        ".".join(path.parent.relative_to(package.parent).parts)
        for path in package.rglob("*/__init__.py")
    }
    assert modules - listed == set(), "add an automodule entry to book/api.md"


@pytest.mark.parametrize("path", sorted(BOOK.glob("*.md")), ids=lambda path: path.name)
def test_links_between_chapters_lead_somewhere(path):
    targets = re.findall(r"\]\(([^)#]+)\)", path.read_text())
    inside = {f"book/{t.removesuffix('.md')}" for t in targets if not t.startswith("http")}
    assert inside <= set(chapters())


def test_every_citation_is_in_the_bibliography():
    known = set(re.findall(r"@\w+\{([^,]+),", (BOOK / "references.bib").read_text()))
    text = "".join(path.read_text() for path in BOOK.glob("*.md"))
    cited = {key for keys in re.findall(r"\{cite\}`([^`]+)`", text) for key in keys.split(",")}
    assert cited <= known

"""The parts of the book that are written by hand fit each other and the package."""

import importlib.util
import re
from pathlib import Path
from types import SimpleNamespace

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


def extension_of_the_book(name):
    """Import an extension as Sphinx does."""
    path = BOOK / "_extensions" / f"{name}.py"
    specification = importlib.util.spec_from_file_location(name, path)
    extension = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(extension)
    return extension


def test_every_module_of_the_package_gets_a_page_and_no_other(tmp_path):
    extension = extension_of_the_book("module_pages")
    for name in ("src/tsniqa/__init__.py", "src/tsniqa/cli/__init__.py", "src/tsniqa/cli/run.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    pages = tmp_path / "book" / "api"
    pages.mkdir(parents=True)
    (pages / "tsniqa.gone.rst").touch()
    extension.write_pages(SimpleNamespace(srcdir=tmp_path), None)
    written = {path.stem: path.read_text() for path in pages.iterdir()}
    assert written.keys() == {"tsniqa", "tsniqa.cli", "tsniqa.cli.run"}
    assert ".. automodule:: tsniqa.cli.run\n" in written["tsniqa.cli.run"]
    assert written["tsniqa.cli"].endswith(".. autosummary::\n\n   run\n")


@pytest.mark.parametrize(
    ("page", "opened"),
    [
        ("lesson-gate", {"Colab": "lessons/starters/5_gate", "Binder": "lessons/starters/5_gate"}),
        ("gates", {"Binder": "12_gates"}),
        ("own-mini-tsn-seed0-0", {}),
    ],
)
def test_buttons_open_notebooks_that_are_in_the_repository(page, opened):
    path, names = f"book/runs/{page}", ("Colab", "Binder")
    buttons = [{"text": name, "url": f"https://{name}/{path}.ipynb"} for name in names]
    group = {"label": "launch-buttons", "buttons": buttons}
    context = {"header_buttons": [{"label": "search"}, group]}
    extension = extension_of_the_book("launch_targets")
    extension.to_stored_notebooks(SimpleNamespace(srcdir=ROOT), path, "", context, None)
    stored = {name: f"https://{name}/notebooks/{target}.ipynb" for name, target in opened.items()}
    groups = [one for one in context["header_buttons"] if one["label"] == "launch-buttons"]
    assert {one["text"]: one["url"] for own in groups for one in own["buttons"]} == stored
    assert all((ROOT / "notebooks" / f"{target}.ipynb").is_file() for target in opened.values())


def test_the_page_about_the_package_tells_every_floor():
    told = set(re.findall(r"^\| .*?\{py:mod\}`tsniqa\.(\w+)`", (BOOK / "api.md").read_text(), re.M))
    assert told == {path.parent.name for path in (ROOT / "src" / "tsniqa").glob("*/__init__.py")}


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

"""Slides: every executed lesson as a deck that needs no network.

``python -m tsniqa.book.slides`` writes them next to the built book.
"""

import copy
import shutil
from importlib.util import find_spec
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from tsniqa.book.lessons import ANSWER, plain
from tsniqa.book.pages import load_pages
from tsniqa.paths import project_root

BUILT = Path("_build") / "html"


def deck(lesson: NotebookNode) -> str:
    """Return a lesson as the HTML of its slides.

    Args:
        lesson: The executed notebook. A cell's ``slideshow.slide_type`` says where it goes; without
            one it continues the slide before. Answers and cells that show nothing are left out.
    """
    from jinja2 import FileSystemLoader
    from nbconvert import SlidesExporter
    from traitlets.config import Config

    shown = copy.deepcopy(lesson)
    for cell in shown.cells:
        tags = set(cell.metadata.get("tags", []))
        folded = cell.cell_type == "code" and "hide-input" in tags
        if tags & {ANSWER, "hide-cell", "parameters"} or (folded and not cell.outputs):
            cell.metadata["slideshow"] = {"slide_type": "skip"}
        if cell.cell_type == "markdown":
            cell.source = plain(cell.source)
        for output in cell.get("outputs", []):
            if "text/markdown" in output.get("data", {}):
                output.data["text/markdown"] = plain("".join(output.data["text/markdown"]))
    settings = Config()
    settings.TagRemovePreprocessor.enabled = True
    settings.TagRemovePreprocessor.remove_input_tags = {"hide-input", "remove-input"}
    settings.CSSHTMLHeaderPreprocessor.style = "a11y-light"  # the book's
    exporter = SlidesExporter(
        config=settings,
        template_file="deck.html.j2",
        extra_loaders=[FileSystemLoader(Path(__file__).parent)],
        reveal_url_prefix="reveal",
        reveal_theme="white",
        exclude_input_prompt=True,
        exclude_output_prompt=True,
    )
    title = next(c.source for c in shown.cells if c.source.startswith("# "))
    shown.metadata["title"] = title.splitlines()[0].removeprefix("# ")
    return exporter.from_notebook_node(shown)[0]


def write_decks() -> list[Path]:
    """Write the slides of every lesson of the book that is built, and what they load."""
    root = project_root()
    folder = root / BUILT / "slides"
    assets = Path(find_spec("sphinx_revealjs").origin).parent / "_static" / "revealjs"
    for part in ("dist", "plugin/notes"):
        skipped = shutil.ignore_patterns("*.map", "*.esm.js", "*.eot")
        target = folder / "reveal" / part
        shutil.copytree(assets / part, target, ignore=skipped, dirs_exist_ok=True)
    written = []
    for page in load_pages(root / "book" / "runs.yml").values():
        if page.is_lesson and page.path.is_file():
            path = folder / f"{page.name}.html"
            path.write_text(deck(nbformat.read(page.path, as_version=4)), encoding="utf-8")
            written.append(path)
    return written


if __name__ == "__main__":
    for path in write_decks():
        print(f"slides: {path}")

"""Slides: every executed lesson as a deck that needs no network.

``python -m tsniqa.book.slides`` writes them next to the built book.
"""

import copy
import re
import shutil
from importlib.util import find_spec
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from tsniqa.book.lessons import ANSWER
from tsniqa.book.pages import load_pages
from tsniqa.paths import project_root

BUILT = Path("_build") / "html"

_DIRECTIVE = re.compile(r"^\s*(:{3,}|`{3,})\{(?P<name>[\w:-]+)\}\s*(?P<title>.*)$")
_INLINE = (
    (re.compile(r"\s*\{cite[\w:]*\}`[^`]*`"), ""),  # there is no bibliography on a slide
    (re.compile(r"\{[\w:.-]+\}`([^`<]+?)\s*(?:<[^`]*>)?`"), r"\1"),  # {download}`text <file>`
    (re.compile(r"(?<!!)\[([^\]]*)\]\((?!https?:)[^)]*\)"), r"\1"),  # links to other pages
    (re.compile(r"<a href[^>]*>.*?</a>"), ""),
)


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


def plain(text: str) -> str:
    """Return a cell's text without what only the book understands.

    A directive leaves its title, in bold, and its content; a dropdown can still be unfolded, one at
    a time. Roles and links to other pages leave their text, citations nothing.
    """
    lines, open_ones = [], []
    for line in text.splitlines():
        found = _DIRECTIVE.match(line)
        indent = line[: len(line) - len(line.lstrip())]
        if found:
            folded = found["name"] == "dropdown"
            open_ones.append((found[1], f"{indent}</details>" if folded else ""))
            title = found["title"]
            summary = f'<details name="answer"><summary>{title}</summary>'
            lines += [indent + summary if folded else f"{indent}**{title}**" if title else "", ""]
        elif open_ones and line.strip() == open_ones[-1][0]:
            lines += ["", open_ones.pop()[1]]
        elif not (open_ones and re.match(r"\s*:[\w-]+:(\s|$)", line)):  # not an option
            lines.append(line)
    text = "\n".join(lines)
    for pattern, replacement in _INLINE:
        text = pattern.sub(replacement, text)
    return text


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

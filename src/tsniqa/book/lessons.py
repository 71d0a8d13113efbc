"""Lessons: the notebook with the answers is the source; the one to work on is derived from it.

After changing a lesson, ``python -m tsniqa.book.lessons`` writes the notebooks to work on anew.
"""

import copy
import re
from pathlib import Path

import nbformat
import yaml
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from tsniqa.paths import project_root

ANSWER = "solution"
"""Tag of a code cell with an answer."""

LESSONS = Path("notebooks") / "lessons"

_DIRECTIVE = re.compile(r"^\s*(:{3,}|`{3,})\{(?P<name>[\w:-]+)\}\s*(?P<title>.*)$")
_INLINE = (
    (re.compile(r"\s*\{cite[\w:]*\}`[^`]*`"), ""),  # there is no bibliography outside the book
    (re.compile(r"\{[\w:.-]+\}`([^`<]+?)\s*(?:<[^`]*>)?`"), r"\1"),  # {download}`text <file>`
    (re.compile(r"(?<!!)\[([^\]]*)\]\((?!https?:)[^)]*\)"), r"\1"),  # links to other pages
    (re.compile(r"<a href[^>]*>.*?</a>"), ""),
)

_FOLDED_ANSWER = re.compile(r"\n*^ *:::\{dropdown\} Answer.*?^ *:::$", re.MULTILINE | re.DOTALL)
_WHERE_TO_WORK = re.compile(r"To work on them take \{download\}`[^`]*`; it needs")

_INSTALL = """\
# On Colab: fetch the study and install it. Elsewhere there is nothing to do.
import sys

if "google.colab" in sys.modules:
    !git clone --quiet --depth 1 {repository} study
    %cd study
    %pip install --quiet -e .
    sys.path.insert(0, "src")"""


def public_address() -> str:
    """Return where ``_config.yml`` says that the repository is public, or an empty text."""
    config = yaml.safe_load((project_root() / "_config.yml").read_text(encoding="utf-8"))
    return config.get("repository", {}).get("url", "")


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


def starter(lesson: NotebookNode, repository: str = "") -> NotebookNode:
    """Return a lesson without its answers, as plain text; of their cells the first comment is left.

    With the address of a ``repository`` its first code cell installs the study on Colab.
    """
    left = copy.deepcopy(lesson)
    for cell in left.cells:
        if ANSWER in cell.metadata.get("tags", []):
            del cell.metadata["tags"]
            cell.source = f"{cell.source.splitlines()[0]}\n..."
        if cell.cell_type == "markdown":
            asked = _WHERE_TO_WORK.sub("They need", _FOLDED_ANSWER.sub("", cell.source))
            cell.source = plain(asked).strip()
    left.cells = [cell for cell in left.cells if cell.source]
    for number, cell in enumerate(left.cells):
        cell.id = str(number)  # as nbstripout counts
    if repository:
        install = _INSTALL.format(repository=repository)
        slides = {"slideshow": {"slide_type": "skip"}}
        left.cells.insert(1, new_code_cell(install, id="install", metadata=slides))
    return left


def write_starters() -> None:
    """Write the notebook to work on of every lesson."""
    for path in sorted((project_root() / LESSONS).glob("*.ipynb")):
        own = starter(nbformat.read(path, as_version=4), public_address())
        nbformat.write(own, path.parent / "starters" / path.name)


if __name__ == "__main__":
    write_starters()

"""Lessons: the notebook with the answers is the source; the one to work on is derived from it.

After changing a lesson, ``python -m tsniqa.book.lessons`` writes the notebooks to work on anew.
"""

import copy
from pathlib import Path

import nbformat
import yaml
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from tsniqa.paths import project_root

ANSWER = "solution"
"""Tag of a code cell with an answer."""

LESSONS = Path("notebooks") / "lessons"


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


def starter(lesson: NotebookNode, repository: str = "") -> NotebookNode:
    """Return a lesson without its answers: of their cells the comments at the top are left.

    With the address of a ``repository`` its first code cell installs the study on Colab.
    """
    left = copy.deepcopy(lesson)
    if repository:
        install = _INSTALL.format(repository=repository)
        slides = {"slideshow": {"slide_type": "skip"}}
        left.cells.insert(1, new_code_cell(install, id="install", metadata=slides))
    for cell in left.cells:
        if ANSWER in cell.metadata.get("tags", []):
            del cell.metadata["tags"]
            lines = cell.source.splitlines()
            asked = next(i for i, line in enumerate(lines) if not line.startswith("#"))
            cell.source = "\n".join([*lines[:asked], "..."])
    return left


def write_starters() -> None:
    """Write the notebook to work on of every lesson."""
    for path in sorted((project_root() / LESSONS).glob("*.ipynb")):
        own = starter(nbformat.read(path, as_version=4), public_address())
        nbformat.write(own, path.parent / "starters" / path.name)


if __name__ == "__main__":
    write_starters()

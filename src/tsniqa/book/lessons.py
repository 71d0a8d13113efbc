"""Lessons: the notebook with the answers is the source; the one to work on is derived from it.

After changing a lesson, ``python -m tsniqa.book.lessons`` writes the notebooks to work on anew.
"""

import copy
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from tsniqa.paths import project_root

ANSWER = "solution"
"""Tag of a code cell with an answer."""

LESSONS = Path("notebooks") / "lessons"


def starter(lesson: NotebookNode) -> NotebookNode:
    """Return a lesson without its answers: of their cells the comments at the top are left."""
    left = copy.deepcopy(lesson)
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
        own = starter(nbformat.read(path, as_version=4))
        nbformat.write(own, path.parent / "starters" / path.name)


if __name__ == "__main__":
    write_starters()

"""Sections of an executed page that turned out not to apply to what the page shows."""

from nbformat import NotebookNode

TAG = "omit-if-empty"
"""Tag of a Markdown cell: without any output of the code cells after it, they go with it."""


def without_empty(cells: list[NotebookNode]) -> list[NotebookNode]:
    """Leave out the sections that are tagged :data:`TAG` and show nothing.

    Args:
        cells: Executed cells. A section is a Markdown cell with the code cells that follow it.
    """
    sections: list[list[NotebookNode]] = []
    for cell in cells:
        if cell.cell_type == "markdown" or not sections:
            sections.append([])
        sections[-1].append(cell)
    return [cell for section in sections if not _is_empty(section) for cell in section]


def _is_empty(section: list[NotebookNode]) -> bool:
    tagged = TAG in section[0].metadata.get("tags", [])
    return tagged and not any(cell.get("outputs") for cell in section)

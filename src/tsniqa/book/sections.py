"""What becomes of the cells of an executed page: which are shown, and which are folded together."""

import re

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

TAG = "omit-if-empty"
"""Tag of a Markdown cell: without any output of the code cells after it, they go with it."""

SETUP = "setup"
"""Tag of the folded cell that :func:`with_one_setup` makes."""

_EMPTY_HEADER = re.compile(r"<th\b([^>]*)>(?:\s|&nbsp;)*</th>")


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


def with_one_setup(cells: list[NotebookNode]) -> list[NotebookNode]:
    """Merge a page's parameters and the folded cells right after them into one folded cell.

    Args:
        cells: Executed cells. A cell that shows something, or whose code is shown, ends the set-up.
    """
    first = next((i for i, cell in enumerate(cells) if "parameters" in _tags(cell)), len(cells))
    after = first
    while after < len(cells) and _prepares(cells[after]):
        after += 1
    if after == first:
        return cells
    merged = new_code_cell(
        "\n\n".join(cell.source for cell in cells[first:after]),
        id=cells[first].get("id", "setup"),
        metadata={"tags": [SETUP, "hide-input"], "slideshow": {"slide_type": "skip"}},
    )
    name_toggle(merged, "Set-up and parameters")
    return [*cells[:first], merged, *cells[after:]]


def name_toggle(cell: NotebookNode, name: str) -> None:
    """Set what is written on the bar or button that unfolds a cell."""
    names = {"code_prompt_show": name, "code_prompt_hide": name}
    cell.metadata["mystnb"] = cell.metadata.get("mystnb", {}) | names


def without_empty_headers(cell: NotebookNode) -> None:
    """Turn the empty header in the corner of a table into a plain cell: it heads nothing."""
    for output in cell.get("outputs", []):
        if "text/html" in output.get("data", {}):
            html = "".join(output.data["text/html"])
            output.data["text/html"] = _EMPTY_HEADER.sub(r"<td\1></td>", html)


def _tags(cell: NotebookNode) -> set[str]:
    return set(cell.metadata.get("tags", []))


def _prepares(cell: NotebookNode) -> bool:
    folded = _tags(cell) & {"parameters", "injected-parameters", "hide-input"}
    return cell.cell_type == "code" and bool(folded) and not cell.outputs


def _is_empty(section: list[NotebookNode]) -> bool:
    return TAG in _tags(section[0]) and not any(cell.get("outputs") for cell in section)

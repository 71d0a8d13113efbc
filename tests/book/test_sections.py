"""A page leaves out the sections that do not apply to what it shows."""

from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from tsniqa.book.sections import TAG, without_empty


def section(name, tagged, *shown):
    tags = {"tags": [TAG]} if tagged else {}
    cells = [
        new_code_cell(outputs=[new_output("stream", text="x")] if one else []) for one in shown
    ]
    return [new_markdown_cell(name, metadata=tags), *cells]


def test_only_tagged_sections_without_any_output_are_left_out():
    cells = [
        new_code_cell("first"),
        *section("silent and tagged", True, False, False),
        *section("silent", False, False),
        *section("shows something", True, False, True, False),
        *section("has no code", True),
    ]
    kept = [cell.source for cell in without_empty(cells) if cell.source]
    assert kept == ["first", "silent", "shows something"]
    assert len(without_empty(cells)) == 1 + 2 + 4

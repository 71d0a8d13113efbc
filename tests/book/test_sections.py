"""What becomes of the cells of an executed page."""

from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from tsniqa.book.sections import (
    SETUP,
    TAG,
    with_one_setup,
    without_empty,
    without_empty_headers,
)


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


def code(source, *tags, **data):
    outputs = [new_output("display_data", data)] if data else []
    return new_code_cell(source, metadata={"tags": list(tags)}, outputs=outputs)


def test_parameters_and_what_is_folded_after_them_become_one_cell():
    cells = [
        new_markdown_cell("# Title"),
        code("a = 1", "parameters"),
        code("a = 2", "injected-parameters"),
        code("import b", "hide-input"),
        code("draw()", "hide-input", text="x"),
        code("again()", "hide-input"),
    ]
    title, setup, *others = with_one_setup(cells)
    assert title is cells[0] and others == cells[4:]
    assert setup.source == "a = 1\n\na = 2\n\nimport b"
    assert setup.metadata.tags == [SETUP, "hide-input"]
    assert setup.metadata.mystnb.code_prompt_show == "Set-up and parameters"
    assert with_one_setup(cells[4:]) == cells[4:]


def test_the_corner_of_a_table_is_no_header():
    html = '<tr><th class="blank" >&nbsp;</th><th></th><th>a</th></tr>'
    cell = code("", **{"text/html": html})
    without_empty_headers(cell)
    shown = cell.outputs[0].data["text/html"]
    assert shown == '<tr><td class="blank" ></td><td></td><th>a</th></tr>'

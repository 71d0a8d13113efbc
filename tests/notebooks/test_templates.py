"""Notebook templates: stored without outputs, with documented parameters, figures described."""

import ast
from pathlib import Path

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager
from papermill.inspection import _infer_parameters, _open_notebook

from tsniqa.book.parameters import checked
from tsniqa.study.config import run_config

TEMPLATES = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
NAMES = [path.stem for path in TEMPLATES]


@pytest.fixture(params=TEMPLATES, ids=NAMES)
def template(request):
    return request.param


def cells(template, kind="code"):
    return [c for c in nbformat.read(template, as_version=4).cells if c.cell_type == kind]


def parsed(cell):
    return ast.parse(TransformerManager().transform_cell(cell.source))


def test_it_is_stored_without_outputs(template):
    assert all(not cell.outputs and cell.execution_count is None for cell in cells(template))


def test_it_runs_on_the_kernel_python3(template):
    assert nbformat.read(template, as_version=4).metadata.kernelspec.name == "python3"


def test_papermill_documents_every_parameter(template):
    notebook = _open_notebook(str(template), {})
    parameters = _infer_parameters(notebook)
    assert parameters
    for parameter in parameters:
        assert parameter.help, f"{parameter.name} has no comment"
        assert parameter.inferred_type_name not in ("", "None"), f"{parameter.name} has no type"


def test_the_cell_after_the_parameters_checks_them_before_anything_else(template):
    code = cells(template)
    position = next(i for i, c in enumerate(code) if "parameters" in c.metadata.get("tags", []))
    first, second, *_ = parsed(code[position + 1]).body
    assert ast.unparse(first) == "from tsniqa.book.parameters import check_parameters"
    assert ast.unparse(second) == f"check_parameters('{template.stem}', globals())"


def test_visible_cells_are_short(template):
    for cell in cells(template):
        hidden = {"hide-input", "remove-input"} & set(cell.metadata.get("tags", []))
        assert hidden or len(cell.source.splitlines()) <= 25, cell.source


def drawing_names(template):
    """Return the names in a notebook that draw: from modules of figures, or with pyplot."""
    names = {"plt"}
    for cell in cells(template):
        for node in parsed(cell).body:
            if isinstance(node, ast.ImportFrom):
                whole = "plots" in node.module or node.module.endswith("figures")
                names |= {a.asname or a.name for a in node.names if whole or "plots" in a.name}
            if isinstance(node, ast.FunctionDef) and "plt." in ast.unparse(node):
                names.add(node.name)
    return names


def draws(cell, names):
    for node in parsed(cell).body:
        if not isinstance(node, (ast.FunctionDef, ast.Import, ast.ImportFrom)):
            calls = [part.func for part in ast.walk(node) if isinstance(part, ast.Call)]
            if any(ast.unparse(function).split(".")[0] in names for function in calls):
                return True
    return False


def test_every_figure_has_a_caption_and_a_description_for_those_who_cannot_see_it(template):
    names = drawing_names(template)
    for cell in cells(template):
        shown = cell.metadata.get("mystnb", {})
        if shown or draws(cell, names):
            assert shown.get("figure", {}).get("caption", "").strip(), cell.source
            assert shown.get("image", {}).get("alt", "").strip(), cell.source


def test_it_begins_with_a_title(template):
    first = nbformat.read(template, as_version=4).cells[0]
    assert first.cell_type == "markdown"
    assert first.source.startswith("# ")


def test_the_page_of_a_run_takes_all_that_a_run_is_asked_for():
    asked = run_config(training_images=5).model_dump(mode="json")
    given = asked | {"backbone": "", "splits_from": ""}
    assert checked("03_continual_run", given).items() >= given.items()

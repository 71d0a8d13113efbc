"""Notebook templates: stored without outputs, with documented parameters, short cells."""

import ast
from pathlib import Path

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager
from papermill.inspection import _infer_parameters, _open_notebook

TEMPLATES = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
NAMES = [path.stem for path in TEMPLATES]


@pytest.fixture(params=TEMPLATES, ids=NAMES)
def template(request):
    return request.param


def cells(template, kind="code"):
    return [c for c in nbformat.read(template, as_version=4).cells if c.cell_type == kind]


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


def test_the_cell_after_the_parameters_refuses_unknown_names(template):
    code = cells(template)
    position = next(i for i, c in enumerate(code) if "parameters" in c.metadata.get("tags", []))
    known = {node.target.id for node in ast.parse(code[position].source).body}
    check = ast.parse(code[position + 1].source).body[-1].value
    assert check.func.id == "reject_unknown"
    assert {argument.value for argument in check.args[1:]} == known


def test_it_defines_no_functions_and_its_cells_are_short(template):
    for cell in cells(template):
        nodes = ast.walk(ast.parse(TransformerManager().transform_cell(cell.source)))
        assert not any(isinstance(node, (ast.FunctionDef, ast.ClassDef)) for node in nodes)
        assert len(cell.source.splitlines()) <= 25, cell.source


def test_every_figure_has_a_caption_and_a_description_for_those_who_cannot_see_it(template):
    for cell in cells(template):
        shown = cell.metadata.get("mystnb", {})
        if "figure" in shown or "image" in shown:
            assert shown["figure"]["caption"].strip()
            assert shown["image"]["alt"].strip()


def test_it_begins_with_a_title(template):
    first = nbformat.read(template, as_version=4).cells[0]
    assert first.cell_type == "markdown"
    assert first.source.startswith("# ")

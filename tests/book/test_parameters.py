"""Notebook parameters: what papermill passes on, checked against what the notebook declares."""

import nbformat
import papermill
import pytest
from papermill.exceptions import PapermillExecutionError

from tsniqa.book import parameters
from tsniqa.book.parameters import check_parameters, checked
from tsniqa.errors import ConfigError

CELL = """\
preset: str = "mini"  # which
task_order: list = None  # names
seed: int = 0  # draw
overrides: dict = {}  # changes
"""


@pytest.fixture(autouse=True)
def notebook(tmp_path, monkeypatch):
    monkeypatch.setattr(parameters, "project_root", lambda: tmp_path)
    new = nbformat.v4.new_notebook()
    new.metadata["kernelspec"] = {"name": "python3", "display_name": "", "language": "python"}
    check = "from tsniqa.book.parameters import check_parameters"
    new.cells = [
        nbformat.v4.new_code_cell(CELL, metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell(f"{check}\ncheck_parameters('08_status', globals())"),
    ]
    path = tmp_path / "notebooks" / "one.ipynb"
    path.parent.mkdir()
    nbformat.write(new, path)
    return path


def test_known_parameters_and_what_ipython_adds_pass_and_get_their_types():
    ipython = dict.fromkeys(["In", "Out", "get_ipython", "exit", "quit", "open"])
    namespace = ipython | {"_": 1, "__name__": "__main__", "check_parameters": check_parameters}
    check_parameters("one", namespace | {"preset": "smoke", "seed": 3})
    namespace |= {"preset": "smoke", "task_order": ("b", "a"), "seed": "3"}
    check_parameters("one", namespace)
    assert (namespace["task_order"], namespace["seed"]) == (["b", "a"], 3)


def test_the_cell_can_run_again_when_other_cells_have_made_names():
    namespace = {"preset": "mini", "seed": 1}
    check_parameters("one", namespace)
    check_parameters("one", namespace | {"record": 1})


def test_a_misspelt_parameter_is_named_with_the_valid_ones():
    with pytest.raises(ConfigError) as caught:
        check_parameters("one", {"preset": "mini", "task_oder": []})
    assert str(caught.value) == (
        "unknown parameter 'task_oder'; did you mean 'task_order'? "
        "valid parameters: overrides, preset, seed, task_order"
    )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"seed": "three"}, "parameter: seed: Input should be a valid integer"),
        ({"seed": 1.5}, "parameter: seed: Input should be a valid integer"),
        ({"task_order": "b,a"}, "parameter: task_order: Input should be a valid list"),
        ({"overrides": None}, "parameter: overrides: Input should be a valid dictionary"),
    ],
)
def test_a_value_of_the_wrong_type_is_one_line(values, message):
    with pytest.raises(ConfigError) as caught:
        checked("one", values)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_none_is_allowed_where_it_is_the_default_and_a_split_may_be_written_as_a_number():
    assert checked("one", {"task_order": None, "preset": 3}) == {
        "preset": "3", "task_order": None, "seed": 0, "overrides": {}
    }  # fmt: skip


def test_a_foreseen_failure_in_a_notebook_is_one_line_without_a_traceback(notebook, tmp_path):
    out = tmp_path / "out.ipynb"
    with pytest.raises(PapermillExecutionError) as caught:
        papermill.execute_notebook(notebook, out, progress_bar=False)
    assert caught.value.ename == "ConfigError"
    assert caught.value.evalue.startswith("unknown parameter 'preset'; valid parameters: ")
    (shown,) = nbformat.read(out, as_version=4).cells[-1].outputs
    assert shown.traceback == [f"ConfigError: {caught.value.evalue}"]
    assert "\n" not in caught.value.evalue

"""Pages of the book: what an entry of runs.yml becomes, and how a failure is told."""

import nbformat
import pytest

from tsniqa.book import pages
from tsniqa.book.pages import Page, execute, load_pages, notebook_parameters
from tsniqa.errors import ConfigError, TsniqaError
from tsniqa.paths import project_root


def write_notebook(path, *cells):
    notebook = nbformat.v4.new_notebook()
    notebook.metadata["kernelspec"] = {
        "name": "python3", "display_name": "Python 3", "language": "python"
    }  # fmt: skip
    notebook.cells = list(cells)
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)


def parameters_cell(source):
    return nbformat.v4.new_code_cell(source, metadata={"tags": ["parameters"]})


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setattr(pages, "project_root", lambda: tmp_path)
    write_notebook(
        tmp_path / "notebooks" / "one.ipynb",
        nbformat.v4.new_markdown_cell("# A title\n\nWords."),
        parameters_cell('preset: str = "mini"  # which\nseed: int = 0  # draw'),
        nbformat.v4.new_code_cell("print(preset, seed)\nassert seed < 5, 'too large'"),
    )
    return tmp_path


def test_the_parameters_of_a_notebook_are_the_annotated_names_of_its_tagged_cell(project):
    found = notebook_parameters(project / "notebooks" / "one.ipynb")
    assert found == {"preset": "mini", "seed": 0}


def test_it_is_told_which_pages_compute_and_which_read_published_results(project):
    write_notebook(
        project / "notebooks" / "two.ipynb",
        parameters_cell('results_dir: str = "results/records"  # read'),
    )
    table = pages.origins(
        {
            "a": Page(name="a", notebook="one", parameters={"strategy": "tsn"}),
            "b": Page(name="b", notebook="two"),
            "c": Page(name="c", notebook="two", parameters={"results_dir": ".runs/records"}),
        }
    )
    assert table["page"].tolist() == ["a", "b", "c"]
    assert table["runs computed here"].tolist() == [1, 0, 0]
    assert table["published results"].tolist() == ["–", "read", "–"]


def test_an_entry_without_a_preset_takes_the_books(project):
    (project / "runs.yml").write_text(
        "a: {notebook: one}\nb: {notebook: one, parameters: {preset: open}}\n"
    )
    loaded = load_pages(project / "runs.yml", "smoke")
    assert loaded["a"].parameters == {"preset": "smoke"}
    assert loaded["b"].parameters == {"preset": "open"}


def test_a_misspelt_parameter_of_an_entry_names_the_valid_ones(project):
    (project / "runs.yml").write_text("a: {notebook: one, parameters: {sede: 1}}\n")
    with pytest.raises(ConfigError, match=r"'sede'; did you mean 'seed'.*preset, seed"):
        load_pages(project / "runs.yml")


def test_an_unknown_notebook_names_the_valid_ones(project):
    (project / "runs.yml").write_text("a: {notebook: two}\n")
    with pytest.raises(ConfigError, match=r"unknown notebook 'two'.*one"):
        load_pages(project / "runs.yml")


@pytest.mark.parametrize("text", ["a: {notebok: one}", "[1, 2]", "a: {notebook: one"])
def test_an_invalid_list_of_pages_is_one_line(project, text):
    (project / "runs.yml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_pages(project / "runs.yml")
    assert "\n" not in str(caught.value)


def test_a_page_needs_a_run_for_every_strategy_and_seed():
    page = Page(
        name="p", notebook="n", parameters={"strategies": ["tsn", "joint"], "seeds": [0, 3]}
    )
    runs = list(page.runs().values())
    assert len(runs) == 4
    assert {"preset": "mini", "strategy": "joint", "seed": 3} in runs
    assert Page(name="p", notebook="n").runs() == {}


def test_two_orders_of_one_strategy_are_two_runs():
    first = Page(name="p", notebook="n", parameters={"strategy": "tsn", "task_order": ["a", "b"]})
    second = Page(name="p", notebook="n", parameters={"strategy": "tsn", "task_order": ["b", "a"]})
    assert not first.runs().keys() & second.runs().keys()
    assert next(iter(first.runs().values()))["order"] == "a,b"


def test_an_executed_page_has_its_title_and_its_results_and_no_traces_of_papermill(project):
    path = execute(Page(name="p", notebook="one", title="Mine", parameters={"seed": 2}))
    assert path == project / "book" / "runs" / "p.ipynb"
    notebook = nbformat.read(path, as_version=4)
    assert notebook.cells[0].source == "# Mine\n\nWords."
    assert notebook.cells[-1].outputs[0].text == "mini 2\n"
    assert "papermill" not in notebook.metadata
    assert all("papermill" not in cell.metadata for cell in notebook.cells)


def test_a_failing_page_does_not_appear_and_its_message_is_one_line(project):
    with pytest.raises(TsniqaError, match="page 'p' failed in a cell: AssertionError: too large"):
        execute(Page(name="p", notebook="one", parameters={"seed": 9}))
    assert not (project / "book" / "runs" / "p.ipynb").exists()


def test_the_books_own_list_is_valid():
    loaded = load_pages(project_root() / "book" / "runs.yml")
    assert {page.notebook for page in loaded.values()} == {
        path.stem for path in (project_root() / "notebooks").glob("*.ipynb")
    }

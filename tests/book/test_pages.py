"""Pages of the book: what an entry of runs.yml becomes, and how a failure is told."""

import json
import os

import nbformat
import pytest

from tsniqa.book import pages, parameters
from tsniqa.book.pages import Page, execute, load_pages
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
    for module in (pages, parameters):
        monkeypatch.setattr(module, "project_root", lambda: tmp_path)
    write_notebook(
        tmp_path / "notebooks" / "one.ipynb",
        nbformat.v4.new_markdown_cell("# A title\n\nWords."),
        parameters_cell(
            'preset: str = "mini"  # which\nseed: int = 0  # draw\n'
            'strategy: str = "tsn"  # how\ntask_order: list = None  # what'
        ),
        nbformat.v4.new_code_cell("print(preset, seed)\nassert seed < 5, 'too large'"),
    )
    return tmp_path


def write_list(project, text):
    (project / "runs.yml").write_text(text)
    return project / "runs.yml"


def test_a_page_reads_the_published_files_that_its_parameters_name(project):
    write_notebook(
        project / "notebooks" / "two.ipynb",
        parameters_cell('preset: str = "mini"  # which\nfolder: str = "results/records"  # read'),
    )
    for name in ("mini-tsn/record.json", "open-tsn/record.json"):
        (project / "results" / "records" / name).parent.mkdir(parents=True)
        (project / "results" / "records" / name).touch()
    mini = [project / "results" / "records" / "mini-tsn" / "record.json"]
    assert Page(name="p", notebook="two").reads() == mini
    assert Page(name="p", notebook="two", parameters={"folder": ".runs/records"}).reads() == []
    file = "results/records/open-tsn/record.json"
    assert Page(name="p", notebook="two", parameters={"folder": file}).reads() == [project / file]
    several = {"folder": {"one": file, "others": [".runs", "results/records"]}}
    write_notebook(
        project / "notebooks" / "two.ipynb",
        parameters_cell('preset: str = "mini"  # which\nfolder: dict = {}  # read'),
    )
    assert Page(name="p", notebook="two", parameters=several).reads() == [project / file, *mini]


def test_a_page_of_one_run_reads_the_records_of_its_strategy_and_seed_alone(project):
    write_notebook(
        project / "notebooks" / "two.ipynb",
        parameters_cell(
            'preset: str = "mini"  # which\nseed: int = 0  # draw\nstrategy: str = "tsn"  # how\n'
            'published_dir: str = ""  # where'
        ),
    )
    for name in ("mini-tsn-seed0-1", "mini-tsn-adapters-seed0-2", "mini-tsn-seed1-3"):
        (project / "results" / "records" / name).mkdir(parents=True)
        (project / "results" / "records" / name / "record.json").touch()
    parameters = {"strategy": "tsn", "published_dir": "results/records"}
    page = Page(name="p", notebook="two", parameters=parameters)
    assert [path.parent.name for path in page.reads()] == ["mini-tsn-seed0-1"]
    assert Page(name="p", notebook="two").reads() == []


def test_a_page_that_is_given_published_records_needs_no_run_made_before():
    parameters = {"strategy": "joint", "seed": 0}
    assert Page(name="p", notebook="n", parameters=parameters).runs()
    parameters["published_dir"] = "results/records"
    assert Page(name="p", notebook="n", parameters=parameters).runs() == {}


def test_an_entry_without_a_preset_takes_the_books(project):
    path = write_list(project, "a: {notebook: one}\nb: {notebook: one, parameters: {preset: open}}")
    loaded = load_pages(path, "smoke")
    assert loaded["a"].parameters == {"preset": "smoke"}
    assert loaded["b"].parameters == {"preset": "open"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: {notebok: one}", "is not a valid list of pages: a.notebook: Field required"),
        ("a: {notebook: one, titel: x}", "a.titel: Extra inputs are not permitted"),
        ("a: {notebook: two}", "page 'a': unknown notebook 'two'; valid notebooks: one"),
        ("a: {notebook: one, after: [b]}", "page 'a': unknown page 'b'; valid pages: a"),
        ("a: {notebook: one, parameters: {sede: 1}}", "'sede'; did you mean 'seed'?"),
        ("a: {notebook: one, parameters: {seed: x}}", "page 'a': parameter: seed: Input should"),
        ("a: {notebook: one, parameters: {preset: minni}}", "did you mean 'mini'?"),
        ("a: {notebook: one, parameters: {strategy: tns}}", "did you mean 'tsn'?"),
        ("a: {notebook: one, parameters: {strategy: tsn, seed: -1}}", "parameters: seed: Input"),
        ("a: {notebook: one, parameters: {task_order: [mini-liv]}}", "did you mean 'mini-live'?"),
        ("a: {notebook: one, parameters: {task_order: []}}", "page 'a': the task order is empty"),
        ("[1, 2]", "is not a valid list of pages: Input should be a valid dictionary"),
        ("a: {notebook: one", "is not a valid list of pages: while parsing"),
    ],
)
def test_a_mistake_in_the_list_of_pages_is_named_in_one_line(project, text, message):
    with pytest.raises(ConfigError) as caught:
        load_pages(write_list(project, text))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_page_needs_a_run_for_every_strategy_and_seed():
    page = Page(
        name="p", notebook="n", parameters={"strategies": ["tsn", "joint"], "seeds": [0, 3]}
    )
    runs = list(page.runs().values())
    assert len(runs) == 4
    assert {"preset": "mini", "strategy": "joint", "seed": 3} in runs
    assert Page(name="p", notebook="n").runs() == {}
    page = Page(name="p", notebook="n", parameters={"strategy": "tsn", "splits": ["0", "1"]})
    assert [run["split"] for run in page.runs().values()] == ["0", "1"]


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


def test_a_users_kernel_of_the_same_name_is_not_used(project, tmp_path, monkeypatch):
    kernel = tmp_path / "jupyter" / "kernels" / "python3"
    kernel.mkdir(parents=True)
    spec = {"argv": ["/bin/false"], "display_name": "Another Python", "language": "python"}
    (kernel / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    path = execute(Page(name="p", notebook="one"))
    assert nbformat.read(path, as_version=4).cells[-1].outputs[0].text == "mini 0\n"
    assert os.environ["JUPYTER_PATH"] == str(tmp_path / "jupyter")


def test_a_failing_page_does_not_appear_and_its_message_is_one_line(project):
    with pytest.raises(TsniqaError, match="page 'p' failed in a cell: AssertionError: too large"):
        execute(Page(name="p", notebook="one", parameters={"seed": 9}))
    assert not (project / "book" / "runs" / "p.ipynb").exists()


def test_the_books_own_list_is_valid():
    loaded = load_pages(project_root() / "book" / "runs.yml")
    folder = project_root() / "notebooks"
    notebooks = [*folder.glob("*.ipynb"), *folder.glob("lessons/*.ipynb")]
    of_users = {folder / "03_continual_run.ipynb"}  # a user's runs; the book's are run sheets
    assert {page.template for page in loaded.values()} == set(notebooks) - of_users

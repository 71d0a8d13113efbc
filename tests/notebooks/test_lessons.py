"""Lessons: stored without outputs, in step with what is given out, and they run as they are."""

import re
from operator import attrgetter
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from papermill import inspect_notebook

from tsniqa.book.lessons import ANSWER, public_address, starter

LESSONS = sorted((Path(__file__).parents[2] / "notebooks" / "lessons").glob("*.ipynb"))


@pytest.fixture(params=LESSONS, ids=[path.stem for path in LESSONS])
def lesson(request):
    return request.param


def read(path):
    return nbformat.read(path, as_version=4)


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def answers(notebook):
    return [cell for cell in code(notebook) if ANSWER in cell.metadata.get("tags", [])]


def test_there_is_a_lesson():
    assert LESSONS


def test_the_notebook_to_work_on_is_the_lesson_without_its_answers(lesson):
    given = read(lesson.parent / "starters" / lesson.name)
    assert given == starter(read(lesson), public_address()), "run: python -m tsniqa.book.lessons"
    assert not answers(given)
    places = [cell.source for cell in code(given) if cell.source.endswith("\n...")]
    assert len(places) == len(answers(read(lesson))) >= 3
    assert all(line.startswith("#") for place in places for line in place.splitlines()[:-1])


def test_the_notebook_to_work_on_has_no_answer_and_nothing_that_only_the_book_understands(lesson):
    given = read(lesson.parent / "starters" / lesson.name)
    text = "\n".join(cell.source for cell in given.cells if cell.cell_type == "markdown")
    assert not re.search(r":::|\{\w+\}`|\]\((?!https?:)|details>", text)
    folded = re.findall(
        r"\{dropdown\} Answer.*\n\s*(.+)", "\n".join(map(attrgetter("source"), read(lesson).cells))
    )
    assert folded and not any(answer in text for answer in folded)


def test_where_the_study_is_public_the_first_cell_installs_it_on_colab_alone(lesson):
    here = starter(read(lesson), "https://github.com/me/study")
    install, *others = code(here)
    assert "git clone --quiet --depth 1 https://github.com/me/study" in install.source
    assert 'if "google.colab" in sys.modules:' in install.source
    assert others == code(starter(read(lesson)))


def test_answers_are_folded_in_the_book(lesson):
    assert all("hide-cell" in cell.metadata.tags for cell in answers(read(lesson)))


def test_papermill_documents_its_parameters(lesson):
    for path in (lesson, lesson.parent / "starters" / lesson.name):
        parameters = inspect_notebook(path)
        assert parameters and all(one["help"] for one in parameters.values())


def test_it_is_stored_without_outputs(lesson):
    assert all(not cell.outputs and cell.execution_count is None for cell in code(read(lesson)))


def test_every_cell_says_where_on_the_slides_it_goes(lesson):
    kinds = {"slide", "subslide", "fragment", "-", "notes", "skip"}
    for cell in read(lesson).cells:
        assert cell.metadata.get("slideshow", {}).get("slide_type") in kinds, cell.source


def test_every_figure_is_described(lesson):
    for cell in code(read(lesson)):
        if "plt.subplots" in cell.source:
            assert cell.metadata.mystnb.figure.caption and cell.metadata.mystnb.image.alt


def test_visible_cells_are_short_and_as_narrow_as_the_page(lesson):
    for cell in code(read(lesson)):
        if not {"hide-input", "hide-cell"} & set(cell.metadata.get("tags", [])):
            lines = cell.source.splitlines()
            assert len(lines) <= 25 and max(map(len, lines)) <= 76, cell.source


def test_the_first_two_need_nothing_of_the_package():
    for path in [path for path in LESSONS if path.name[0] in "12"]:
        assert not any("tsniqa" in cell.source for cell in code(read(path)))


@pytest.mark.slow
def test_the_notebook_that_is_given_out_runs_once_its_places_are_filled(lesson, tmp_path):
    notebook = read(lesson.parent / "starters" / lesson.name)
    solved = iter(answers(read(lesson)))
    for cell in code(notebook):
        if cell.source.endswith("\n..."):
            cell.source = next(solved).source
    NotebookClient(notebook, timeout=240, resources={"metadata": {"path": tmp_path}}).execute()

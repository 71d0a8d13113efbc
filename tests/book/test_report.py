"""Reports: whole pages that need nothing else, and in which nothing from outside is HTML."""

import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files

import numpy as np
import pandas as pd
import pytest
import yaml
from matplotlib import pyplot as plt

from browser import overflow, started, tab_without_network, violations
from tsniqa.book.plots_ratings import opinions_by_score, srcc_intervals
from tsniqa.book.report import Report, Section, check_target, picture, write_report
from tsniqa.book.report_images import read_part
from tsniqa.book.report_model import report_model
from tsniqa.book.report_record import report_record
from tsniqa.book.run_sheet import extremes
from tsniqa.data.readers import labels_csv
from tsniqa.errors import ConfigError, DataError
from tsniqa.metrics import srcc
from tsniqa.model.tsniqa import TSNIQA

SCRIPT = "<script>alert(1)<"  # as a name of folders and files may be
WRITTEN_BY_HAND = "<script>alert('description')</script>"


class Elements(HTMLParser):
    """The elements of a page with their attributes, and its text."""

    def __init__(self, html):
        super().__init__()
        self.found, self.text = [], ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def check_whole(html):
    """Check that a page loads and runs nothing, and that every picture says what it shows."""
    page = Elements(html)
    for tag, given in page.found:
        assert tag not in ("script", "link", "iframe", "object", "form"), tag
        assert not [name for name in given if name.startswith("on")], given
        for name in ("src", "href", "xlink:href"):
            address = given.get(name, "#")
            assert address.startswith(("#", "data:image/")), address
        if tag == "img":
            assert given["alt"]
        if given.get("role") == "img":
            assert given["aria-label"]
    assert not re.search(r"url\((?!#)|@import", html)
    return page


@pytest.fixture(autouse=True)
def nothing_is_left_open():
    yield
    assert plt.get_fignums() == []


@pytest.fixture(scope="module")
def model(finished):
    return TSNIQA.load(finished("tsn").folder / "model")


@pytest.fixture(scope="module")
def hostile(world, tmp_path_factory):
    """Rated images, with names and descriptions that a page must not take as HTML."""
    folder = tmp_path_factory.mktemp("hostile") / SCRIPT
    shutil.copytree(world.data_root / "gamma", folder)
    table = pd.read_csv(folder / "labels.csv")
    names = [f"{i}<img src=x onerror=alert(1)>.png" for i in range(len(table))]
    for old, new in zip(table["image"], names, strict=True):
        (folder / old).rename(folder / new)
    table.assign(image=names, reference=names).to_csv(folder / "labels.csv", index=False)
    about = {name: WRITTEN_BY_HAND for name in ("description", "citation", "licence")}
    (folder / "dataset.yml").write_text(yaml.safe_dump(about | {"mos_range": [0, 6]}))
    return folder


def test_a_run_is_reported_with_what_its_record_says(finished):
    record = finished("tsn")
    page = check_whole(report_record(record).html())
    titles = ("How well", "While tasks", "Learning curves", "Whom the gates", "Scores and", "What")
    assert all(title in page.text for title in titles)
    labels = [given["aria-label"] for _, given in page.found if "aria-label" in given]
    assert sum(label.startswith("S matrix, ") for label in labels) == 4
    assert sum(label.startswith(("published gate", "analytic gate")) for label in labels) == 4
    assert sum("opinions by score of 6 test images" in label for label in labels) == 3
    assert "made for tests: blur" in page.text
    assert "Images of alpha" not in page.text, "no images without the data"


def test_with_the_data_a_run_shows_images_and_other_data_are_refused(finished, world, tmp_path):
    record = finished("tsn")
    page = check_whole(report_record(record, world.data_root).html())
    assert "Images of alpha" in page.text
    assert sum(tag == "img" for tag, _ in page.found) == 3 * 4 * 4
    other = shutil.copytree(world.data_root, tmp_path / "data")
    shutil.copy(other / "beta" / "images" / "000.png", other / "alpha" / "images" / "000.png")
    with pytest.raises(DataError, match=r"task 'alpha' under .* is not the one of run"):
        report_record(record, other)


def test_without_opinions_there_is_no_section_of_them(finished, reseeded):
    record = reseeded(finished("tsn"), 3)
    assert record.mos is None
    assert "Scores and opinions" not in report_record(record).html()


@pytest.mark.parametrize("strategy", ["joint", "sequential"])
def test_runs_without_gates_are_reported_too(finished, strategy):
    page = check_whole(report_record(finished(strategy)).html())
    assert "Whom the gates ask" not in page.text


def test_script_in_the_name_or_description_of_a_task_stays_text(world, hostile, tmp_path):
    there = replace(world, data_root=hostile.parent)
    record = there.run(tmp_path / "records", order=(SCRIPT,))
    page = check_whole(report_record(record, hostile.parent).html())
    assert f"Images of {SCRIPT}" in page.text
    assert WRITTEN_BY_HAND in page.text
    model = TSNIQA.load(record.folder / "model")
    page = check_whole(report_model(model, SCRIPT).html())
    assert page.text.count(SCRIPT) > 1
    assert WRITTEN_BY_HAND in page.text


def test_script_in_names_of_images_stays_text(model, hostile):
    task = labels_csv.read(SCRIPT, hostile)
    page = check_whole(
        report_model(model, "mine", task, "test", read_part(model, task, "test")).html()
    )
    assert f"Your images: {SCRIPT}" in page.text
    assert "<img src=x onerror=alert(1)>.png" in page.text


def test_a_model_says_what_it_knows_and_from_which_data(model):
    page = check_whole(report_model(model, "mine").html())
    assert "learned from16 images" in re.sub(r"\s*\n\s*", "", page.text)
    assert all(f"made for tests: {kind}" in page.text for kind in ("blur", "noise", "both"))
    assert "a demonstration" in page.text, "all opinions are simulated"
    labels = [given["aria-label"] for _, given in page.found if "aria-label" in given]
    assert any(label.startswith("Held-out SRCC by task: alpha ") for label in labels)


def test_rated_images_are_ranked_by_every_readout_and_head(model, world):
    task = labels_csv.read("gamma", world.data_root / "gamma")
    page = check_whole(
        report_model(model, "mine", task, "test", read_part(model, task, "test")).html()
    )
    expected = srcc(model.predict(task.paths("test")), task.mos("test"))
    assert f"{expected:.3f} (" in page.text
    for way in ("calibrated", "set", "gated", "uniform", "head gamma alone"):
        assert way in page.text
    for kind in ("Predicted best", "Predicted worst", "Most overrated", "Most unusual"):
        assert kind in page.text
    assert page.text.count("How far its own images are (marks: yours)") == 3
    assert "Only the part 'test' of their split is here." in page.text


def test_images_outside_the_folder_are_refused(model, world, tmp_path):
    folder = shutil.copytree(world.data_root / "gamma", tmp_path / "gamma")
    image = folder / "images" / "030.png"
    shutil.move(image, tmp_path / "secret.png")
    image.symlink_to(tmp_path / "secret.png")
    task = labels_csv.read("gamma", folder)
    with pytest.raises(DataError, match="lies outside"):
        read_part(model, task, "test")


def test_the_most_telling_images_come_first():
    found = extremes(np.array([5.0, 4, 3, 2, 1]), np.array([1.0, 4, 3, 2, 5]))
    assert found["predicted best"].tolist() == [0, 1, 2, 3, 4]
    assert found["predicted worst"][0] == 4
    assert (found["most overrated"][0], found["most underrated"][0]) == (0, 4)


def test_a_figure_takes_the_colours_of_the_page_and_names_as_they_are(recwarn):
    rows = [("a$b$_{", "its own head", 0.5, 0.4, 0.6), ("照片 <b>", "its own head", 0.7, 0.6, 0.8)]
    found = pd.DataFrame(rows, columns=["task", "readout", "srcc", "low", "high"])
    svg = picture(lambda: srcc_intervals(found), "two tasks").svg
    assert "a$b$_{" in svg
    assert "照片 &lt;b&gt;" in svg
    assert "var(--ink)" in svg and "var(--grid)" in svg and "#262626" not in svg
    ids = re.findall(r' id="([^"]+)"', svg)
    assert len(ids) == len(set(ids)) and not [one for one in ids if "_" in one]
    assert not recwarn.list


@pytest.mark.parametrize("scores", [np.zeros(5), np.array([1.0, 2, 3])])
def test_scores_that_no_curve_fits_are_drawn_without_one(scores):
    figure = opinions_by_score(scores, np.arange(len(scores)) * 1.0, (0, 5))
    assert not figure.axes[0].lines


def test_only_an_older_report_is_replaced_and_nothing_else_is_left(tmp_path):
    report = Report("r", "lead", {"n": "1"}, [Section("s", "text")])
    target = tmp_path / "new" / "r.html"
    for _ in range(2):
        check_target(target)
        write_report(report, target)
    assert [path.name for path in target.parent.iterdir()] == ["r.html"]
    other = tmp_path / "labels.csv"
    other.write_text("image,mos\n")
    with pytest.raises(ConfigError, match="is no report; give --out"):
        check_target(other)
    with pytest.raises(ConfigError, match="is no file"):
        check_target(tmp_path)
    assert other.read_text() == "image,mos\n"


def test_names_that_are_no_text_are_written_so_that_they_can_be_read(tmp_path):
    report = Report("photo \udcff.jpg", "lead", {})
    write_report(report, tmp_path / "r.html")
    assert "photo \\udcff.jpg" in (tmp_path / "r.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def browser():
    yield from started()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["record", "model"])
def test_a_report_can_be_read_by_everybody(browser, finished, model, world, tmp_path, kind):
    task = labels_csv.read("gamma", world.data_root / "gamma")
    if kind == "record":
        report = report_record(finished("tsn"), world.data_root)
    else:
        report = report_model(model, "mine", task, "test", read_part(model, task, "test"))
    write_report(report, tmp_path / "r.html")
    tab = tab_without_network(browser, bypass_csp=True)  # axe is a script
    tab.goto((tmp_path / "r.html").as_uri())
    tab.evaluate(files("axe_playwright_python").joinpath("axe.min.js").read_text())
    found = []
    for width, scheme in ((390, "light"), (390, "dark"), (1200, "light")):
        tab.set_viewport_size({"width": width, "height": 800})
        tab.emulate_media(color_scheme=scheme)
        found += [f"{width} px, {scheme}: {one}" for one in violations(tab) + overflow(tab)]
    assert not found + tab.problems

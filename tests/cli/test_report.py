"""`tsniqa report`: of a model or a record, into one file, or one line that says why not."""

import os
import shutil

import pandas as pd
import pytest


@pytest.fixture(scope="module")
def record(finished):
    return finished("tsn").folder


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_report_is_named_after_what_it_is_of(tsniqa, record, here, world):
    code, said, _ = tsniqa("report", record / "model", "--images", world.data_root / "gamma")
    name = f"{record.name}-model-report.html"
    assert (code, [path.name for path in here.iterdir()]) == (0, [name])
    assert said.startswith(f"report: {here / name} (")
    page = (here / name).read_text()
    assert "Your images: gamma" in page
    assert "Only the part &#39;test&#39; of their split is here." in page, "it has learned the rest"
    code, said, _ = tsniqa("report", record, "--out", "r.html")
    assert (code, said.startswith(f"report: {here / 'r.html'} (")) == (0, True)


def test_images_of_a_task_that_is_not_known_are_all_scored(tsniqa, record, here, world):
    mine = shutil.copytree(world.data_root / "gamma", here / "mine")
    code, _, _ = tsniqa("report", record / "model", "--images", mine, "--out", "r.html")
    assert code == 0
    assert "Opinions by score of 32 images" in (here / "r.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "nothing is neither a record nor a model; name the folder of one"),
        (
            ["{record}", "--images", "x"],
            "is a record, which has images of its own; give --data-root",
        ),
        (
            ["{record}/model", "--data-root", "x"],
            "is no record; name your rated images by --images",
        ),
        (["{record}/model", "--images", "x"], "/x; name a folder with images"),
        (["{record}", "--out", "mine.csv"], "mine.csv exists and is no report; give --out another"),
        (["{record}", "--out", "."], "is no file; give --out another place"),
        (["{record}", "--out", "mine.csv/r.html"], "cannot write to"),
        (["{record}", "--data-root", "nowhere"], "unknown task 'alpha'"),
    ],
)
def test_a_mistake_is_one_line_and_writes_nothing(tsniqa, record, here, arguments, message):
    (here / "mine.csv").write_text("image,mos\n")
    code, said, error = tsniqa("report", *(one.format(record=record) for one in arguments))
    assert (code, said, error.count("\n")) == (2, "", 1)
    assert message in error
    assert [path.name for path in here.iterdir()] == ["mine.csv"]
    assert (here / "mine.csv").read_text() == "image,mos\n"


def test_too_few_or_damaged_images_leave_no_report(tsniqa, record, here, world):
    mine = shutil.copytree(world.data_root / "gamma", here / "mine")
    image = mine / "images" / "030.png"
    os.truncate(image, 100)
    code, _, error = tsniqa("report", record / "model", "--images", mine, "--out", "r.html")
    assert (code, "030.png is damaged" in error) == (2, True)
    pd.read_csv(mine / "labels.csv").head(2).to_csv(mine / "labels.csv", index=False)
    code, _, error = tsniqa("report", record / "model", "--images", mine, "--out", "r.html")
    assert (code, "rates too few images to compare" in error) == (2, True)
    assert [path.name for path in here.iterdir()] == ["mine"]

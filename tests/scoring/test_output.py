"""Rows of scores: whole lines, that can be gone on with."""

import csv
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsniqa.errors import ConfigError
from tsniqa.scoring.output import Output, name_of

SCORES = {"a": 0.1, "b": -2.5, "c": 3.25}
ROWS = [{"image": f"{name}.png", "score": value} for name, value in SCORES.items()]


def written(path, form, rows, resume=False):
    with Output(form, ["image", "score"], path, resume) as output:
        for row in rows:
            if row["image"] not in output.done:
                output.write(row)
    return path.read_bytes()


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_a_file_cut_anywhere_is_completed_to_the_same_bytes(tmp_path, form):
    whole = written(tmp_path / "whole", form, ROWS)
    for end in range(len(whole)):
        cut = tmp_path / "cut"
        cut.write_bytes(whole[:end])
        assert written(cut, form, ROWS, resume=True) == whole, end


def test_each_format_has_what_was_written(tmp_path):
    text = written(tmp_path / "a", "csv", ROWS).decode()
    assert text == "image,score\na.png,0.1\nb.png,-2.5\nc.png,3.25\n"
    lines = written(tmp_path / "b", "jsonl", ROWS).decode().splitlines()
    assert [json.loads(line) for line in lines] == ROWS
    assert written(tmp_path / "c", "table", ROWS).decode().splitlines()[1] == "   -2.500  b.png"


def test_a_file_is_never_overwritten_and_not_mixed(tmp_path):
    path = tmp_path / "out.csv"
    written(path, "csv", ROWS)
    before = path.read_bytes()
    for columns, resume, message in (
        (["image", "score"], False, "exists; go on with it by --resume"),
        (["image", "score", "nearest"], True, "has the columns image, score, not image, score, ne"),
    ):
        with pytest.raises(ConfigError, match=message):
            Output("csv", columns, path, resume)
    with pytest.raises(ConfigError, match="is no jsonl of scores"):
        Output("jsonl", ["image", "score"], path, True)
    assert path.read_bytes() == before


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_a_file_that_another_model_began_is_not_gone_on_with(tmp_path, form):
    path = tmp_path / "out"
    written(path, form, ROWS)
    with Output(form, ["image", "score"], path, True) as output:
        assert output.last == ("c.png", 3.25)
        output.check_last("c.png", 3.2500001)
        output.check_last("a.png", 7.0)  # only the last is looked at
        with pytest.raises(ConfigError, match=r"has the score 3.25 for c.png, not 3.3; give the"):
            output.check_last("c.png", 3.3)


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"cannot write to .*: No such file or directory"):
        Output("csv", ["image"], tmp_path / "none" / "out.csv")
    with pytest.raises(ConfigError, match="No space left on device; free space"):
        Output("csv", ["image"], Path("/dev/full"))


@given(st.text(min_size=1).filter(lambda text: "\0" not in text and "/" not in text))
def test_any_name_is_one_line_and_one_cell_that_computes_nothing(tmp_path_factory, name):
    path = tmp_path_factory.mktemp("names") / "out.csv"
    with Output("csv", ["image", "score"], path) as output:
        output.write({"image": name_of(name), "score": 1.0})
    assert path.read_bytes().count(b"\n") == 2
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        (row,) = csv.DictReader(file)
    assert not row["image"].startswith(("=", "+", "-", "@", "\t", "\r"))
    assert row["image"].removeprefix("./") == name.replace("\n", "\\n").replace("\r", "\\r")

"""Scores of many files: those of one call, in order, whatever can be read."""

import numpy as np
import pytest

from tsniqa.errors import DataError
from tsniqa.model.tsniqa import TSNIQA
from tsniqa.scoring import stream
from tsniqa.scoring.stream import explained_columns, score_files


@pytest.fixture(scope="module")
def model(world, tmp_path_factory):
    record = world.run(tmp_path_factory.mktemp("saved") / "records", order=("alpha", "beta"))
    return TSNIQA.load(record.folder / "model")


@pytest.mark.parametrize("readout", [None, "gated", "uniform"])
def test_scores_are_bit_for_bit_those_of_one_call(model, world, readout):
    paths = world.task("gamma").paths("train")
    found = list(score_files(model, paths, readout, workers=3))
    assert [path for path, _ in found] == paths
    expected = model.explain(paths, readout)
    for name in expected:
        assert np.array_equal([row[name] for _, row in found], expected[name]), name


def test_a_set_shares_one_weight_of_every_head(model, world):
    paths = world.task("gamma").paths("test")
    rows = [row for _, row in score_files(model, paths, together=True)]
    assert np.array_equal([row["score"] for row in rows], model.predict(paths, "set"))
    assert len({row["weight alpha"] for row in rows}) == 1


def test_the_nearest_task_is_that_of_the_smallest_distance(model, world):
    names = explained_columns(model)
    for _, row in score_files(model, world.task("beta").paths("test")):
        distances = {task: row[f"distance {task}"] for task in model.tasks}
        assert row["nearest"] == min(distances, key=distances.get)
        assert {"image", "score", *names} == {"image", *row}


def test_a_file_that_cannot_be_read_is_told_and_not_in_the_way(model, world, tmp_path):
    paths = world.task("gamma").paths("test")[:3]
    broken = tmp_path / "broken.png"
    broken.write_bytes(paths[0].read_bytes()[:400])
    told = []
    found = list(score_files(model, [paths[0], broken, *paths[1:]], on_failure=told.append))
    assert [path for path, _ in found] == paths
    assert len(told) == 1
    assert "broken.png is damaged" in str(told[0])
    with pytest.raises(DataError, match=r"broken\.png"):
        list(score_files(model, [broken]))


def test_a_row_comes_before_later_files_are_decoded(model, world, monkeypatch):
    paths = world.task("gamma").paths("train") * 40
    seen = []
    original = stream.as_images
    monkeypatch.setattr(stream, "as_images", lambda path: seen.append(path) or original(path))
    next(score_files(model, paths))
    assert len(seen) < 40

"""Run records on disk: everything comes back, and what cannot be read says so."""

import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file

from tsniqa.errors import RecordError
from tsniqa.model.readouts import MIXTURES, USES
from tsniqa.study.record import RunConfig, RunRecord, find_records

ORDER = ("gamma", "alpha", "beta")
ARRAYS = ("scores", "distances", "mos", "correlations", "draws")


@pytest.mark.parametrize("strategy", ["tsn", "sequential", "joint"])
def test_a_record_comes_back_whole(finished, tmp_path, strategy):
    record = finished(strategy, ORDER)
    record.save(tmp_path)
    loaded = RunRecord.load(tmp_path)
    assert loaded.description == record.description
    for name in ARRAYS:
        stored, kept = getattr(loaded, name), getattr(record, name)
        assert (stored is None) == (kept is None)
        if kept is not None:
            assert stored.dtype == kept.dtype
            assert np.array_equal(stored, kept, equal_nan=True)
    assert loaded.folder == tmp_path


def test_arrays_have_the_documented_shapes(finished):
    tsn, sequential, joint = (finished(s, ORDER) for s in ("tsn", "sequential", "joint"))
    assert tsn.scores.shape == sequential.scores.shape == (3, 18)
    assert tsn.scores.dtype == np.float32
    assert tsn.distances.shape == (18, 3, 2)
    assert sequential.distances is joint.distances is None
    assert joint.scores.shape == (1, 18)
    assert sequential.correlations.shape == (3, 1, 3, 3)
    assert joint.correlations.shape == (1, 1, 3, 3)
    assert [event.head for event in tsn.description.events] == list(ORDER)
    assert [event.head for event in sequential.description.events] == ["shared"] * 3
    assert [event.step for event in joint.description.events] == [2]


def test_files_hold_no_more_than_said(finished):
    folder = finished("tsn", ORDER).folder
    assert {path.name for path in folder.iterdir()} == {
        "record.json",
        "arrays.safetensors",
        "model",
    }
    stored = load_file(folder / "arrays.safetensors")
    assert set(stored) == {"scores", "distances", "mos", "correlations"}


def test_rows_of_tasks_follow_each_other_in_name_order(finished):
    record = finished("tsn", ORDER)
    assert [record.rows(name) for name in ("alpha", "beta", "gamma")] == [
        slice(0, 6),
        slice(6, 12),
        slice(12, 18),
    ]
    assert record.names == ["alpha", "beta", "gamma"]
    assert record.order == list(ORDER)


def test_a_shared_head_has_scores_of_every_step(finished):
    record = finished("sequential", ORDER)
    for step in range(3):
        assert np.array_equal(record.head("shared", step), record.scores[step].astype(float))
    assert np.array_equal(record.head("shared"), record.head("shared", 2))


def test_uses_follow_from_the_gate(finished):
    tsn, joint = finished("tsn", ORDER), finished("joint", ORDER)
    assert (tsn.uses, tsn.mixtures) == (USES, MIXTURES)
    assert joint.uses == joint.mixtures == ("single",)


def test_records_are_found_by_what_was_run(world, tmp_path):
    results = tmp_path / "records"
    assert find_records(results) == []
    made = [
        world.run(results, "head-only", ("alpha", "beta")),
        world.run(results, "head-only", ("beta", "alpha")),
        world.run(results, "head-only", ("alpha",), seed=3),
    ]
    assert {r.folder for r in find_records(results)} == {r.folder for r in made}
    assert len(find_records(results, preset="smoke", strategy="head-only")) == 3
    assert find_records(results, strategy="tsn") == []
    assert [r.folder for r in find_records(results, seed=3)] == [made[2].folder]
    assert len(find_records(results, task_order=None)) == 3
    (found,) = find_records(results, task_order=["beta", "alpha"])
    assert found.folder == made[1].folder
    (found,) = find_records(results, task_order="alpha")
    assert found.folder == made[2].folder


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("record.json", None),
        ("record.json", b"{ half"),
        ("record.json", b'{"schema_version": 2}'),
        ("arrays.safetensors", None),
        ("arrays.safetensors", b"half"),
    ],
)
def test_a_damaged_record_is_one_line(finished, tmp_path, name, content):
    folder = shutil.copytree(finished("tsn", ORDER).folder, tmp_path / "record")
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_bytes(content)
    with pytest.raises(RecordError) as caught:
        RunRecord.load(folder)
    message = str(caught.value)
    assert message.startswith(f"no readable run record in {folder} (")
    assert message.endswith("delete the folder and run again")
    assert "\n" not in message


def test_a_configuration_is_frozen_and_takes_no_unknown_field():
    config = RunConfig()
    assert (config.preset, config.strategy, config.seed, config.split) == (
        "mini",
        "tsn",
        0,
        "given",
    )
    with pytest.raises(ValueError, match="frozen"):
        config.seed = 1
    with pytest.raises(ValueError, match="Extra inputs are not permitted"):
        RunConfig(sed=1)

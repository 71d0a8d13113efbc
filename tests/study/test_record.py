"""Run records on disk: everything comes back, and what cannot be read says so."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load_file

from tsniqa.errors import RecordError
from tsniqa.model.readouts import MIXTURES, READOUTS
from tsniqa.study.bootstrap import draw_table
from tsniqa.study.evaluation import correlation_table
from tsniqa.study.record import SHARED_ARRAYS, RunRecord

ORDER = ("gamma", "alpha", "beta")
ARRAYS = ("scores", "correlations", "draws", *SHARED_ARRAYS)


@pytest.mark.parametrize("rated", [False, True])
@pytest.mark.parametrize("strategy", ["tsn", "sequential", "multihead", "joint"])
def test_a_record_comes_back_whole(finished, tmp_path, strategy, rated):
    record = finished(strategy, ORDER)
    if rated:
        tables = correlation_table(record, record.mos), draw_table(record, record.mos)
        record = replace(record, mos=None, correlations=tables[0], draws=tables[1])
    (tmp_path / "run").mkdir()
    record.save(tmp_path / "run")
    loaded = RunRecord.load(tmp_path / "run")
    assert loaded.description == record.description
    assert (loaded.events, loaded.test_images) == (record.events, record.test_images)
    assert loaded.history.equals(record.history)
    for name in ARRAYS:
        stored, kept = getattr(loaded, name), getattr(record, name)
        assert (stored is None) == (kept is None)
        if kept is not None:
            assert stored.dtype == kept.dtype
            assert stored.tobytes() == kept.tobytes() or np.isnan(kept).any()
            assert np.array_equal(stored, kept, equal_nan=True)
    assert loaded.folder == tmp_path / "run"


def test_what_strategies_share_is_stored_once(finished):
    tsn, separate = finished("tsn", ORDER), finished("separate", ORDER)
    assert tsn.description.shared == separate.description.shared
    assert tsn.description.shared.keys() == {"test_images", *SHARED_ARRAYS}
    sequential = finished("sequential", ORDER).description.shared
    assert sequential.keys() == {"test_images", "references", "mos"}
    assert sequential.items() < tsn.description.shared.items()
    stored = {name.partition("_")[0] for name in load_file(tsn.folder / "arrays.safetensors")}
    assert stored == {"scores", "event", "history"}
    assert len((tsn.folder / "record.json").read_text().splitlines()) < 120


def test_arrays_have_the_documented_shapes(finished):
    tsn, sequential, joint = (finished(s, ORDER) for s in ("tsn", "sequential", "joint"))
    assert tsn.scores.shape == sequential.scores.shape == (3, 18)
    assert tsn.scores.dtype == np.float32
    assert tsn.distances.shape == (18, 3, 2)
    width = tsn.gate_features.shape[1]
    assert (tsn.gate_features.dtype, len(tsn.gate_features)) == (np.float16, 18)
    assert tsn.gate_sums.shape == (3, (width + 1) * (width + 2) // 2)
    assert tsn.gate_sums.dtype == np.float32
    for record in (tsn, sequential, joint):
        assert (record.references.dtype, record.references.shape) == (np.int32, (18,))
    assert sequential.distances is joint.distances is None
    assert joint.scores.shape == (1, 18)
    assert [event.head for event in tsn.events] == list(ORDER)
    assert [event.head for event in sequential.events] == ["shared"] * 3
    assert [event.step for event in joint.events] == [2]


def test_rows_of_tasks_follow_each_other_in_name_order(finished):
    record = finished("tsn", ORDER)
    assert record.names == ["alpha", "beta", "gamma"]
    rows = [record.rows(name) for name in record.names]
    assert rows == [slice(0, 6), slice(6, 12), slice(12, 18)]
    assert record.order == list(ORDER)


def test_a_shared_head_has_scores_of_every_step(finished):
    record = finished("sequential", ORDER)
    for step in range(3):
        assert np.array_equal(record.head("shared", step), record.scores[step].astype(float))
    assert np.array_equal(record.head("shared"), record.head("shared", 2))


def test_readouts_follow_from_the_gate(finished):
    tsn, joint, multihead = (finished(name, ORDER) for name in ("tsn", "joint", "multihead"))
    assert (tsn.readouts, tsn.tabulated) == (READOUTS, MIXTURES)
    assert joint.readouts == joint.tabulated == ("single",)
    assert multihead.readouts == multihead.tabulated == (*READOUTS, "half")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("record.json", None),
        ("record.json", b"{ half"),
        ("record.json", b'{"schema_version": 2}'),
        ("arrays.safetensors", None),
        ("arrays.safetensors", b"half"),
        ("../shared", None),
    ],
)
def test_a_damaged_record_is_one_line(finished, tmp_path, name, content):
    original = finished("tsn", ORDER).folder
    folder = shutil.copytree(original, tmp_path / "record")
    shutil.copytree(original.parent / "shared", tmp_path / "shared")
    if name == "../shared":
        shutil.rmtree(tmp_path / "shared")
    else:
        (folder / name).unlink()
    if content is not None:
        (folder / name).write_bytes(content)
    with pytest.raises(RecordError) as caught:
        RunRecord.load(folder)
    message = str(caught.value)
    assert message.startswith(f"no readable run record in {folder} (")
    there = (folder / "record.json").is_file()
    assert message.endswith("delete the folder and run again") == there
    assert message.endswith("name the folder of a finished run") != there
    assert "\n" not in message

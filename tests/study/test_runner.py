"""The study loop: records that are whole, runs that resume bit for bit, mistakes in one line."""

import logging
import math
import shutil
import threading
from contextlib import contextmanager

import numpy as np
import pytest
from filelock import FileLock

from tsniqa.data.images import ImageSet
from tsniqa.errors import ConfigError, DataError, TsniqaError, WeightsError
from tsniqa.model.backbone import Backbone
from tsniqa.model.tsniqa import TSNIQA
from tsniqa.paths import written_whole
from tsniqa.strategies import STRATEGIES
from tsniqa.strategies.sequential import Sequential
from tsniqa.strategies.tsn import TSN
from tsniqa.study import runner as study
from tsniqa.study.evaluation import predictions, srcc_matrix
from tsniqa.study.record import SHARED_ARRAYS, RunRecord
from tsniqa.study.results import find_records
from tsniqa.training import context

ORDER = ("gamma", "alpha", "beta")
BESIDE = {"features", "locks", "shared"}
FAMILIES = {"tsn": TSN, "head-only": TSN, "separate": TSN, "sequential": Sequential}


class PulledPlugError(Exception):
    pass


def fail_at(monkeypatch, strategy, method, call):
    """Let the n-th call of a method fail as a pulled plug would."""
    original, calls = getattr(strategy, method), []

    def broken(self, *arguments):
        calls.append(1)
        if len(calls) == call:
            raise PulledPlugError
        return original(self, *arguments)

    monkeypatch.setattr(strategy, method, broken)
    return calls


def killed(world, results, strategy, monkeypatch, owner, method, call):
    """Run until the n-th call of a method of a class; nothing looks finished then."""
    with monkeypatch.context() as patch:
        fail_at(patch, owner, method, call)
        with pytest.raises(PulledPlugError):
            world.run(results, strategy, ORDER)
    assert find_records(results) == []


def contents(record):
    """All that a record holds but times, as comparable values."""
    names = ("scores", "correlations", "draws", *SHARED_ARRAYS)
    arrays = [getattr(record, name) for name in names]
    return (
        record.description.model_dump(mode="json", exclude={"timings", "commit"}),
        repr((record.events, record.test_images, record.history.to_dict("list"))),
        [None if array is None else array.tobytes() for array in arrays],
    )


def files(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "record.json"
    }


@pytest.mark.parametrize("strategy", sorted(FAMILIES))
def test_a_run_killed_after_task_two_and_resumed_equals_the_uninterrupted_one(
    world, finished, tmp_path, monkeypatch, strategy
):
    whole = finished(strategy, ORDER)
    results = tmp_path / "records"
    killed(world, results, strategy, monkeypatch, FAMILIES[strategy], "learn", 3)
    (partial,) = results.glob("*.partial")
    assert [path.name for path in partial.iterdir()] == ["progress.safetensors"]
    with monkeypatch.context() as patch:
        calls = fail_at(patch, FAMILIES[strategy], "learn", 99)
        resumed = world.run(results, strategy, ORDER)
    assert len(calls) == 1
    assert contents(resumed) == contents(whole)
    assert files(resumed.folder) == files(whole.folder)
    assert {path.name for path in results.iterdir()} - BESIDE == {resumed.folder.name}


def test_a_joint_run_killed_while_learning_starts_again_and_ends_the_same(
    world, finished, tmp_path, monkeypatch
):
    killed(world, tmp_path / "records", "joint", monkeypatch, STRATEGIES["joint"], "learn", 1)
    resumed = world.run(tmp_path / "records", "joint", ORDER)
    assert contents(resumed) == contents(finished("joint", ORDER))


@pytest.mark.parametrize("strategy", ["tsn", "joint"])
def test_a_run_killed_between_learning_and_its_record_needs_no_more_learning(
    world, finished, tmp_path, monkeypatch, strategy
):
    results = tmp_path / "records"
    killed(world, results, strategy, monkeypatch, STRATEGIES[strategy], "save", 1)
    with monkeypatch.context() as patch:
        fail_at(patch, STRATEGIES[strategy], "learn", 1)
        resumed = world.run(results, strategy, ORDER)
    assert contents(resumed) == contents(finished(strategy, ORDER))
    assert {path.name for path in results.iterdir()} - BESIDE == {resumed.folder.name}


def test_what_a_run_has_left_that_was_killed_after_its_record_was_there_is_removed(
    world, tmp_path, monkeypatch
):
    def pull(folder):
        raise PulledPlugError

    with monkeypatch.context() as patch:
        patch.setattr(study.shutil, "rmtree", lambda path, **options: options or pull(path))
        with pytest.raises(PulledPlugError):
            world.run(tmp_path, "tsn", ("alpha",))
    (partial,) = tmp_path.glob("*.partial")
    record = world.run(tmp_path, "tsn", ("alpha",))
    assert not partial.exists()
    assert record.folder.is_dir()


def test_a_step_that_was_not_written_whole_is_done_again(world, finished, tmp_path, monkeypatch):
    results = tmp_path / "records"
    killed(world, results, "tsn", monkeypatch, TSN, "learn", 2)

    @contextmanager
    def half(path):
        with written_whole(path) as partial:
            yield partial
            partial.write_bytes(b"half a fi")
            raise PulledPlugError

    with monkeypatch.context() as patch:
        patch.setattr(study, "written_whole", half)
        with pytest.raises(PulledPlugError):
            world.run(results, "tsn", ORDER)
    resumed = world.run(results, "tsn", ORDER)
    assert contents(resumed) == contents(finished("tsn", ORDER))


def test_a_finished_run_is_not_computed_again(world, finished, monkeypatch):
    record = finished("tsn")
    before = {path: path.stat().st_mtime_ns for path in record.folder.rglob("*")}
    monkeypatch.setattr(study, "load_backbone", lambda *_: pytest.fail("a network was built"))
    again = world.run(record.folder.parent)
    assert contents(again) == contents(record)
    assert before == {path: path.stat().st_mtime_ns for path in record.folder.rglob("*")}


def test_a_finished_run_of_other_code_is_named_and_computed_again_if_asked(
    world, tmp_path, monkeypatch, caplog
):
    results = tmp_path / "records"
    first = world.run(results, "head-only")
    (first.folder / "mark").touch()
    forward = Backbone.forward

    def squared(self, inputs):
        features = forward(self, inputs)
        return features._replace(head=features.head.square())

    for module in (study, context):
        monkeypatch.setattr(module, "code_digest", lambda: "other")
    monkeypatch.setattr(Backbone, "forward", squared)
    assert (world.run(results, "head-only").folder / "mark").exists()
    assert caplog.messages[-1] == (
        f"{first.folder.name}: made by other code than this; --fresh computes it again"
    )
    again = study.run(world.config("head-only"), world.data_root, results, "cpu", fresh=True)
    assert (again.folder, again.description.code) == (first.folder, "other")
    assert not (again.folder / "mark").exists()
    assert not np.allclose(again.scores, first.scores), "its features are of the other code, too"
    assert {path.name for path in results.iterdir()} - BESIDE == {again.folder.name}


def test_steps_of_other_code_are_never_mixed_with_new_ones(
    world, finished, tmp_path, monkeypatch, caplog
):
    results = tmp_path / "records"
    with monkeypatch.context() as patch:
        patch.setattr(study, "code_digest", lambda: "other")
        killed(world, results, "tsn", monkeypatch, TSN, "learn", 3)
    with monkeypatch.context() as patch:
        calls = fail_at(patch, TSN, "learn", 99)
        record = world.run(results, "tsn", ORDER)
    assert len(calls) == 3
    assert "its steps were made by other code, libraries or on another device;" in caplog.text
    assert contents(record) == contents(finished("tsn", ORDER))


def test_a_replaced_record_is_whole_at_every_moment(world, tmp_path, monkeypatch):
    results = tmp_path / "records"
    first = world.run(results, "head-only")
    fail_at(monkeypatch, STRATEGIES["head-only"], "save", 1)
    with pytest.raises(PulledPlugError):
        study.run(world.config("head-only"), world.data_root, results, "cpu", fresh=True)
    assert contents(RunRecord.load(first.folder)) == contents(first)


def test_a_record_says_what_was_run_on_what(world, finished):
    record = finished("tsn", ORDER)
    description = record.description
    assert record.order == list(ORDER)
    assert record.names == sorted(ORDER)
    assert description.run_id == record.folder.name
    assert description.fingerprints["filters before"] == description.fingerprints["filters after"]
    changed = finished("sequential", ORDER).description.fingerprints
    assert changed["filters before"] != changed["filters after"]
    assert description.versions.keys() >= {"python", "torch", "timm", "tsniqa"}
    assert description.device.startswith("CPU")
    assert list(record.history["task"].unique()) == list(ORDER)
    assert description.timings.keys() == {
        "all heads",
        *(f"{kind} {task}" for kind in ("learning", "scoring") for task in ORDER),
    }
    assert {name: info.images for name, info in record.tasks.items()} == {
        name: {"train": 16, "val": 10, "test": 6} for name in ORDER
    }
    for name in ORDER:
        task = world.task(name)
        assert record.test_images[name] == task.part("test")["image"].tolist()
        assert record.tasks[name].fingerprint == task.fingerprint()
        assert np.array_equal(record.mos[record.rows(name)], task.mos("test"))
        assert np.array_equal(record.references[record.rows(name)], np.arange(6))


def test_scores_and_distances_are_those_of_the_saved_model(world, finished):
    record = finished("tsn", ORDER)
    model = TSNIQA.load(record.folder / "model")
    for name in ORDER:
        images = ImageSet(world.task(name).paths("test"), None)
        rows = record.rows(name)
        heads = np.stack([record.head(task)[rows] for task in record.names], axis=1)
        scores, distances, features = model.read(images)
        assert np.array_equal(scores, heads)
        assert np.array_equal(distances, record.distances[rows])
        assert np.array_equal(features.astype(np.float16), record.gate_features[rows])
        for readout in record.tabulated:
            # The record keeps what the analytic gate needs in fewer bits.
            near = 5e-3 if readout in ("calibrated", "set") else 1e-6
            predicted = model.predict(world.task(name).paths("test"), readout)
            expected = predictions(record, readout, ORDER)[name]
            np.testing.assert_allclose(predicted, expected, atol=near)


def test_human_opinion_scores_stay_out_of_a_record(world, tmp_path, dataset):
    data = tmp_path / "data"
    for seed, name in enumerate(("people", "crowd")):
        dataset(data / name, "blur", seed=20 + seed, simulated=False)
    record = study.run(world.config("tsn", ("people", "crowd")), data, tmp_path / "records", "cpu")
    assert record.mos is None
    assert record.draws.shape == (8, 2, 1000)
    assert record.correlations.shape == (3, 6, 2, 3)
    stored = RunRecord.load(record.folder)
    assert np.array_equal(stored.draws, record.draws, equal_nan=True)
    text = (record.folder / "record.json").read_text()
    table = (data / "people" / "labels.csv").read_text().splitlines()[1:]
    assert not [row for row in table if row.split(",")[1] in text]
    assert "images/031.png" in stored.test_images["people"]


# Mistakes, each in one line.


def failing(world, tmp_path, data_root=None, **fields):
    """Run and return the one line of the error; nothing may look finished then."""
    results = tmp_path / "records"
    with pytest.raises(TsniqaError) as caught:
        study.run(world.config(**fields), data_root or world.data_root, results, "cpu")
    assert "\n" not in str(caught.value)
    assert find_records(results) == []
    return type(caught.value), str(caught.value)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"order": ("alpha", "bета")}, "unknown task 'bета'"),
        ({"order": ("alpha", "gama")}, "unknown task 'gama'; did you mean 'gamma'? valid tasks: "),
        ({"order": ()}, "the task order is empty; name at least one task"),
        ({"order": ("beta", "alpha", "beta")}, "the task order names beta twice"),
        ({"order": ("../alpha",)}, "task name '../alpha' must be the plain name of a folder"),
        ({"preset": "smok"}, "unknown preset 'smok'; did you mean 'smoke'?"),
        ({"strategy": "ewk"}, "unknown strategy 'ewk'; did you mean 'ewc'?"),
        ({"backbone": "mobilenet"}, "unknown backbone 'mobilenet'; did you mean 'mobilenetv2'?"),
        ({"backbone": "nowhere/card.yml"}, "no backbone card at"),
        ({"split": "10"}, "unknown split '10'"),
        ({"overrides": {"gate.n_cluster": 3}}, "unknown override 'gate.n_cluster'; did you mean"),
        ({"overrides": {"gate.n_clusters": 0}}, "gate.n_clusters: Input should be greater than 0"),
        ({"overrides": {"gate.n_clusters": "many"}}, "gate.n_clusters: Input should be a valid"),
        ({"overrides": {"gate": 3}}, "preset 'smoke': gate: Input should be a valid dictionary"),
    ],
)
def test_a_mistaken_name_or_value_is_one_line(world, tmp_path, fields, message):
    kind, text = failing(world, tmp_path, **fields)
    assert kind is ConfigError
    assert message in text
    assert not (tmp_path / "records").exists()


def test_a_device_that_is_not_there_is_one_line(world, tmp_path):
    for device in ("abacus", "cuda:77"):
        with pytest.raises(ConfigError, match=f"no device '{device}' here; use auto, cpu or cuda"):
            study.run(world.config(), world.data_root, tmp_path / "records", device)


@pytest.fixture
def own(tmp_path, dataset):
    """A dataset of one's own, to be damaged."""
    return dataset(tmp_path / "data" / "own", seed=5)


def test_a_missing_image_is_named(world, own, tmp_path):
    (own / "images" / "003.png").unlink()
    kind, text = failing(world, tmp_path, own.parent, order=("own",))
    assert kind is DataError
    assert f"task 'own': image {own}/images/003.png is missing; restore the file" in text
    assert not (tmp_path / "records").exists()


@pytest.mark.parametrize("number", [2, 20, 30], ids=["train", "val", "test"])
def test_a_broken_image_is_named_before_anything_is_learned(
    world, own, tmp_path, number, monkeypatch
):
    monkeypatch.setattr(TSN, "learn", lambda *_: pytest.fail("learning began"))
    image = own / "images" / f"{number:03d}.png"
    image.write_bytes(image.read_bytes()[:60])
    kind, text = failing(world, tmp_path, own.parent, order=("own",))
    assert kind is DataError
    assert f"image {image} is" in text
    assert "replace the file" in text


def test_an_unusable_label_is_named(world, own, tmp_path):
    labels = own / "labels.csv"
    labels.write_text("\n".join([*labels.read_text().splitlines()[:-1], "images/031.png,,,test,a"]))
    kind, text = failing(world, tmp_path, own.parent, order=("own",))
    assert kind is DataError
    assert "labels.csv row 33 (images/031.png): mos is '', it must be a finite number" in text


def test_missing_and_wrong_weights_are_named(world, tmp_path, card):
    path = card(tmp_path, sha256="f" * 64)
    kind, text = failing(world, tmp_path, backbone=str(path))
    assert kind is WeightsError
    assert "does not have the card's sha256; fetch it again" in text
    for sha256 in ("f" * 64, None):
        card(tmp_path, "gone.pth", sha256=sha256)
        kind, text = failing(world, tmp_path, backbone=str(path))
        assert kind is WeightsError
        assert "no weight file at " in text


def test_a_learning_rate_that_diverges_leaves_a_readable_record(world, tmp_path):
    """Its scores are no numbers, and so is every measure of them; nothing is hidden."""
    record = world.run(
        tmp_path / "records",
        "sequential",
        ("alpha", "beta"),
        overrides={"schedule.full.learning_rate": 1e30},
    )
    stored = RunRecord.load(record.folder)
    assert np.isnan(stored.scores).any()
    assert np.array_equal(stored.scores, record.scores, equal_nan=True)
    assert np.isnan(srcc_matrix(stored, "single")[-1]).all()
    assert math.isnan(stored.history.query("task == 'alpha'")["validation_srcc"].iloc[-1])


def test_a_second_process_waits_for_the_first_and_takes_its_record(world, finished, tmp_path):
    record = finished("head-only", ("alpha",))
    results = tmp_path / "records"
    run_id = record.description.run_id
    (results / "locks").mkdir(parents=True)
    shutil.copytree(record.folder.parent / "shared", results / "shared")
    waiting = threading.Event()

    class Listener(logging.Handler):
        def emit(self, entry):
            if "another process is computing this run" in entry.getMessage():
                waiting.set()

    listener, found = Listener(), []
    logging.getLogger("tsniqa").addHandler(listener)
    logging.getLogger("tsniqa").setLevel(logging.INFO)
    second = threading.Thread(
        target=lambda: found.append(world.run(results, "head-only", ("alpha",)))
    )
    try:
        with FileLock(results / "locks" / f"{run_id}.lock"):
            second.start()
            assert waiting.wait(timeout=60)
            shutil.copytree(record.folder, results / run_id)  # the first one finishes
        second.join()
    finally:
        logging.getLogger("tsniqa").removeHandler(listener)
        logging.getLogger("tsniqa").setLevel(logging.NOTSET)
    assert found[0].folder == results / run_id
    assert not (results / f"{run_id}.partial").exists()


@pytest.mark.parametrize("strategy", ["head-only", "ridge"])
def test_heads_on_the_untouched_network_read_test_images_from_kept_features(
    strategy, world, tmp_path, monkeypatch
):
    seen, original = [], TSNIQA.features

    def spy(self, images, owners):
        seen.append(len(images))
        return original(self, images, owners)

    monkeypatch.setattr(TSNIQA, "features", spy)
    record = world.run(tmp_path / "records", strategy)
    timed = len(record.test_images["gamma"])  # of the last task, all heads at once, after one image
    assert sum(seen) == 1 + timed
    assert len(list((tmp_path / "records" / "features").glob("*-test-*"))) == 3

"""What is measured of a stream of tasks before anything is learned."""

import numpy as np
import pandas as pd
import pytest

from tsniqa.model.gating import KMeansGate
from tsniqa.study import shift


@pytest.fixture(scope="module")
def plan(world):
    return world.plan()


def test_the_task_table_keeps_the_streams_order_and_says_which_labels_are_simulated(plan):
    table = shift.task_table(plan.tasks)
    assert list(table.index) == ["alpha", "beta", "gamma"]
    assert table.loc["alpha", ["train", "val", "test"]].tolist() == [16, 10, 6]
    assert table.loc["alpha", "scale"] == "1 to 5"
    assert set(table["labels"]) == {"SIMULATED"}


def test_examples_go_from_the_worst_to_the_best_test_image(plan):
    task = plan.tasks[0]
    examples = shift.quality_examples(task, (0.0, 0.5, 1.0))
    mos = task.mos("test")
    assert examples[0].mos == mos.min()
    assert examples[-1].mos == mos.max()
    assert all(example.path.is_file() for example in examples)


def test_examples_leave_out_images_that_are_not_here(dataset, tmp_path):
    from tsniqa.data import load_task

    dataset(tmp_path / "mine")
    task = load_task("mine", tmp_path, 0)
    for path in task.paths("test"):
        path.unlink()
    assert shift.quality_examples(task) == []


def test_the_gate_is_the_one_that_tsn_learns(plan, finished, world):
    record = finished()
    gate = shift.fit_gate(plan)
    features = shift.gate_features(plan, "test")
    for task, stages in features.items():
        np.testing.assert_array_equal(gate.distances(stages), record.distances[record.rows(task)])


def gate_and_features():
    """Two tasks on a line: centroids at 0 and 1; images of b lie between them."""
    gate = KMeansGate(clusters=1, n_init=1)
    for name, place in (("a", 0.0), ("b", 1.0)):
        gate.fit([np.full((2, 1), place, np.float32)] * 2, name)
    features = {
        "b": [np.array([[0.75], [0.25]], np.float32)] * 2,
        "a": [np.array([[0.0], [0.5]], np.float32), np.array([[0.0], [0.25]], np.float32)],
    }
    return gate, features


def test_task_distances_are_means_over_images_and_stages():
    gate, features = gate_and_features()
    table = shift.task_distances(gate, features)
    expected = pd.DataFrame(
        {"b": [0.5, 1 - 0.75 / 4], "a": [0.5, 0.75 / 4]}, index=["b", "a"], dtype=float
    )
    pd.testing.assert_frame_equal(table, expected)


def test_own_task_share_counts_images_whose_own_head_weighs_most():
    gate, features = gate_and_features()
    assert shift.own_task_share(gate, features).to_dict() == {"b": 0.5, "a": 1.0}


def test_a_feature_map_places_every_image_and_repeats_itself(plan):
    features = shift.gate_features(plan, "test")
    first, second = shift.feature_map(features, 3), shift.feature_map(features, 3)
    assert len(first.points) == 18
    assert first.points["task"].value_counts().tolist() == [6, 6, 6]
    pd.testing.assert_frame_equal(first.points, second.points)
    assert 0 < first.explained[1] <= first.explained[0] <= 1


def test_tied_shares_count_pairs_with_equal_labels(plan):
    task = plan.tasks[0]
    table = task.table.assign(mos=np.where(task.table["split"] == "train", 2.0, task.table["mos"]))
    tied = type(task)(task.name, task.root, table)
    assert shift.tied_shares([tied]).to_dict() == {"alpha": 1.0}
    table = pd.DataFrame({"mos": [1.0, 1.0, 2.0, 3.0], "split": "train"})
    assert shift.tied_shares([type(task)("t", task.root, table)])["t"] == pytest.approx(1 / 6)

"""Tables of a single run."""

from dataclasses import replace

import numpy as np
import pytest

from tsniqa.errors import ConfigError
from tsniqa.study import evaluation as tables
from tsniqa.study.run_tables import (
    about,
    examples,
    filters_note,
    final_correlations,
    gate_accuracy,
    label_note,
    mean_gate_weights,
    step_two_note,
    task_table,
    use_table,
)
from tsniqa.training.trainer import Epoch


def test_tasks_are_described_in_the_order_learned(finished):
    record = finished("tsn", ("gamma", "alpha"))
    table = task_table(record)
    assert table.index.tolist() == ["gamma", "alpha"]
    assert table.loc["alpha", "test"] == record.tasks["alpha"].images["test"]
    assert table.loc["alpha", "rating scale"] == "1 to 5"
    assert table.loc["alpha", "source"] == "made for tests: blur"


def test_every_use_has_its_row(finished):
    record = finished("tsn")
    table = use_table(record)
    assert table.index.tolist() == list(record.uses)
    assert table.loc["oracle", "mSI"] == 1
    assert table.loc["latest", "gamma"] == tables.srcc(record, "latest", record.order, "gamma")


def test_joint_learning_has_dashes_where_it_has_no_intermediate_state(finished):
    row = use_table(finished("joint")).loc["single"]
    assert row[["mPI", "mSI", "mSRCC"]].isna().all()
    assert row[["alpha", "beta", "gamma", "mean SRCC"]].notna().all()


def test_correlations_come_in_the_order_learned_with_numbers_of_images(finished):
    record = finished("tsn", ("gamma", "alpha"))
    table = final_correlations(record, "gated")
    assert table.index.tolist() == ["gamma", "alpha"]
    counts = [record.tasks[task].images["test"] for task in ("gamma", "alpha")]
    assert table["test images"].tolist() == counts
    assert table.loc["alpha", "KRCC"] == tables.srcc(record, "gated", record.order, "alpha", "krcc")
    assert "PLCC, logistic" in table
    without = replace(record, mos=None, cache={})
    assert "PLCC, logistic" not in final_correlations(without, "gated")


def test_mean_gate_weights_are_shares_by_task_and_head_in_the_order_learned(finished):
    record = finished("tsn", ("gamma", "alpha"))
    table = mean_gate_weights(record)
    assert table.index.tolist() == table.columns.tolist() == ["gamma", "alpha"]
    assert table.sum(axis=1).to_numpy() == pytest.approx([1, 1])
    weights = tables.gate_weights(record, "alpha")
    assert table.loc["alpha", "gamma"] == pytest.approx(weights[:, 1].mean())


def test_the_gate_is_accurate_if_each_image_is_nearest_to_its_own_task(finished):
    record = finished("tsn")
    distances = np.ones_like(record.distances)
    for position, task in enumerate(record.names):
        distances[record.rows(task), position] = 0.5
    assert gate_accuracy(replace(record, distances=distances)) == 1
    assert gate_accuracy(replace(record, distances=2 - distances)) == 0


def test_a_strategy_without_a_gate_has_no_weights(finished):
    with pytest.raises(ConfigError, match="has no gate"):
        mean_gate_weights(finished("sequential"))


def test_examples_are_the_ends_of_the_ranking_and_the_largest_errors(world, finished):
    record = finished("tsn")
    found = examples(record, "oracle", "beta", world.data_root)
    best, worst, over, under = found
    count = record.tasks["beta"].images["test"]
    assert (best.predicted, worst.predicted, best.count) == (1, count, count)
    errors = [one.opinion - one.predicted for one in found]
    assert errors[2] == max(errors)
    assert errors[3] == min(errors)
    predicted = tables.predictions(record, "oracle", record.order)["beta"]
    name = record.description.test_images["beta"][int(predicted.argmax())]
    assert best.path == world.data_root / "beta" / name
    assert over.path.is_file()
    assert under.path.is_file()


def test_without_the_images_there_are_no_examples(world, finished, tmp_path):
    record = finished("tsn")
    assert examples(record, "oracle", "beta", tmp_path) == []
    config = record.config.model_copy(update={"split": "3"})
    other = replace(record, description=record.description.model_copy(update={"config": config}))
    assert examples(other, "oracle", "beta", world.data_root) == []


def human_rated(record):
    tasks = [task.model_copy(update={"simulated": False}) for task in record.description.tasks]
    return replace(record, description=record.description.model_copy(update={"tasks": tasks}))


def test_a_run_is_described_with_its_order_and_the_origin_of_its_labels(finished):
    record = finished("tsn", ("gamma", "alpha"))
    text = about(record)
    assert "gamma → alpha" in text
    assert "seed 0" in text
    assert "labels of these tasks are simulated" in text


def test_simulated_labels_are_never_passed_off_as_opinions(finished):
    record = finished("tsn")
    assert label_note([human_rated(record)]) == "People rated these images."
    assert "Some of these tasks" in label_note([record, human_rated(record)])


def test_filters_are_said_to_be_the_same_only_if_they_are(finished):
    record = finished("tsn")
    assert filters_note(record).endswith("the same, bit for bit.")
    fingerprints = record.description.fingerprints | {"filters after": "0" * 64}
    description = record.description.model_copy(update={"fingerprints": fingerprints})
    assert filters_note(replace(record, description=description)).endswith("different.")


def test_a_strategy_that_trains_filters_explains_why_they_are_the_same(finished):
    record = finished("sequential")
    same = {"filters before": "0" * 64, "filters after": "0" * 64}
    description = record.description.model_copy(update={"fingerprints": same})
    assert "so the start was kept" in filters_note(replace(record, description=description))
    assert "so the start was kept" not in filters_note(finished("tsn"))


def test_the_note_on_the_second_step_counts_the_states_it_improved(finished):
    record = finished("tsn", ("alpha", "beta"))
    history = {
        "alpha": [("head", 0.5), ("images", 0.5), ("images", 0.7), ("images", 0.6)],
        "beta": [("head", 0.8), ("images", 0.8), ("images", 0.7)],
    }
    for task, values in history.items():
        record.description.history[task] = [
            Epoch(step=step, epoch=0, loss=None, validation_srcc=value, seconds=0)
            for step, value in values
        ]
    note = step_two_note([record])
    assert "improved the validation SRCC of 1 of 2 learned states, by 0.200 on average" in note

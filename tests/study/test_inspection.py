"""What a record says of single images: the gate's weights, and images worth a look."""

from dataclasses import replace

import numpy as np
import pytest

from tsniqa.errors import ConfigError
from tsniqa.model.gating import softmin_weights
from tsniqa.study.evaluation import predictions
from tsniqa.study.inspection import (
    gate_accuracy,
    gate_weights,
    mean_gate_weights,
    telling_images,
)


def test_gate_weights_are_rows_of_probabilities_of_one_task(finished):
    record = finished("tsn")
    weights = gate_weights(record, "beta")
    assert weights.shape == (6, 3)
    np.testing.assert_allclose(weights.sum(1), 1)
    assert np.array_equal(weights, softmin_weights(record.distances[record.rows("beta")]))
    with pytest.raises(ConfigError, match="strategy 'joint' has no gate"):
        gate_weights(finished("joint"), "beta")


def test_mean_gate_weights_are_shares_by_task_and_head_in_the_order_learned(finished):
    record = finished("tsn", ("gamma", "alpha"))
    table = mean_gate_weights(record)
    assert table.index.tolist() == table.columns.tolist() == ["gamma", "alpha"]
    assert table.sum(axis=1).to_numpy() == pytest.approx([1, 1])
    assert table.loc["alpha", "gamma"] == pytest.approx(gate_weights(record, "alpha")[:, 1].mean())


def test_the_gate_is_accurate_if_each_image_is_nearest_to_its_own_task(finished):
    record = finished("tsn")
    distances = np.ones_like(record.distances)
    for position, task in enumerate(record.names):
        distances[record.rows(task), position] = 0.5
    assert gate_accuracy(replace(record, distances=distances)) == 1
    assert gate_accuracy(replace(record, distances=2 - distances)) == 0


def test_telling_images_are_the_ends_of_the_ranking_and_the_largest_errors(world, finished):
    record = finished("tsn")
    found = telling_images(record, "oracle", "beta", world.data_root).set_index("what")
    count = record.tasks["beta"].images["test"]
    assert found["predicted"].tolist()[:2] == [1, count]
    assert set(found["count"]) == {count}
    errors = found["opinion"] - found["predicted"]
    assert errors["most overrated"] == errors.max()
    assert errors["most underrated"] == errors.min()
    best = int(predictions(record, "oracle", record.order)["beta"].argmax())
    name = record.test_images["beta"][best]
    assert found["path"]["predicted best"] == world.data_root / "beta" / name
    assert all(path.is_file() for path in found["path"])


def test_without_the_images_of_the_record_none_is_told(world, finished, tmp_path):
    record = finished("tsn")
    assert telling_images(record, "oracle", "beta", tmp_path).empty
    config = record.config.model_copy(update={"split": "3"})
    other = replace(record, description=record.description.model_copy(update={"config": config}))
    assert telling_images(other, "oracle", "beta", world.data_root).empty

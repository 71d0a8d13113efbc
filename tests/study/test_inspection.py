"""What a record says of the gate: its weights for single images."""

from dataclasses import replace

import numpy as np
import pytest

from tsniqa.errors import ConfigError
from tsniqa.model.gating import softmin_weights
from tsniqa.study.inspection import gate_accuracy, gate_weights, mean_gate_weights


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

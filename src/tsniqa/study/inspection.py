"""What one record says of the gate: its weights for test images."""

import numpy as np
import pandas as pd

from tsniqa.study import evaluation
from tsniqa.study.record import RunRecord


def gate_weights(record: RunRecord, task: str) -> np.ndarray:
    """Return the K-means gate's weights [n, T] of all heads for one task's test images.

    Raises:
        ConfigError: The strategy has no gate.
    """
    return evaluation.gate_weights(record, record.names)[record.rows(task)]


def mean_gate_weights(record: RunRecord) -> pd.DataFrame:
    """Average the gate's weights over each task's test images.

    Returns:
        Rows (sums 1): the task of the images; columns: the head; both in the order learned.

    Raises:
        ConfigError: The strategy has no gate.
    """
    weights = [gate_weights(record, task).mean(axis=0) for task in record.order]
    return pd.DataFrame(weights, index=record.order, columns=record.names)[record.order]


def gate_accuracy(record: RunRecord) -> float:
    """Return the share of test images whose own task's head weighs most; tasks count alike."""
    own = [
        (gate_weights(record, task).argmax(axis=1) == position).mean()
        for position, task in enumerate(record.names)
    ]
    return float(np.mean(own))

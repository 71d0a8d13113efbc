"""What one record says of its gates: their weights for test images."""

from typing import Literal

import numpy as np
import pandas as pd

from tsniqa.study import evaluation
from tsniqa.study.record import RunRecord

Gate = Literal["published", "analytic"]


def gate_weights(record: RunRecord, task: str, gate: Gate = "published") -> np.ndarray:
    """Return a gate's weights [n, T] of all heads for one task's test images.

    Raises:
        ConfigError: The strategy has no gate.
    """
    published = gate == "published"
    weights = evaluation.gate_weights if published else evaluation.analytic_weights
    return weights(record, record.names)[record.rows(task)]


def mean_gate_weights(record: RunRecord, gate: Gate = "published") -> pd.DataFrame:
    """Average a gate's weights over each task's test images.

    Returns:
        Rows (sums 1): the task of the images; columns: the head; both in the order learned.

    Raises:
        ConfigError: The strategy has no gate.
    """
    weights = [gate_weights(record, task, gate).mean(axis=0) for task in record.order]
    return pd.DataFrame(weights, index=record.order, columns=record.names)[record.order]


def heaviest_heads(record: RunRecord, gate: Gate = "published") -> pd.DataFrame:
    """Return for which share of each task's test images each head weighs most.

    It is the confusion matrix of the gate as a classifier, laid out as :func:`mean_gate_weights`.
    """
    own = np.eye(len(record.names))
    shares = [
        own[gate_weights(record, task, gate).argmax(axis=1)].mean(axis=0) for task in record.order
    ]
    return pd.DataFrame(shares, index=record.order, columns=record.names)[record.order]


def gate_accuracy(record: RunRecord, gate: Gate = "published") -> float:
    """Return the share of test images whose own task's head weighs most; tasks count alike."""
    return float(np.diag(heaviest_heads(record, gate)).mean())

"""Every task order from one training, and heads that need not be evaluated.

Source: the two consequences in the book's method chapter. A strategy that learns each task apart
from all others has one final model, whatever the order; and every intermediate state belongs to a
set of tasks, so the measures of all orders follow from the scores of one run.
"""

from itertools import permutations

import numpy as np
import pandas as pd

from tsniqa.errors import ConfigError
from tsniqa.model.readouts import Skipped, skip_heads
from tsniqa.study.evaluation import LARGEST_POWERSET, summary
from tsniqa.study.inspection import gate_weights
from tsniqa.study.record import RunRecord

MEASURES = ["mPI", "mSI", "mPSI", "mSRCC", "MPSR", "mean SRCC"]
"""Measures given for every order; ``mean SRCC``, of the final model, is the same for all."""


def all_orders(record: RunRecord, readout: str = "gated") -> pd.DataFrame:
    """Compute the measures of every order of a run's tasks.

    Returns:
        One row an order: ``order`` (a tuple of names), then :data:`MEASURES`.

    Raises:
        ConfigError: The strategy's results depend on the order, or there are too many tasks.
    """
    kind = record.description
    if not kind.gated or kind.all_at_once or kind.order_dependent:
        raise ConfigError(
            f"other orders do not follow from a run of '{record.strategy}', where a task is "
            "not learned apart from the others; use a strategy that does so, such as tsn"
        )
    if len(record.names) > LARGEST_POWERSET:
        raise ConfigError(
            f"{len(record.names)} tasks have too many orders; run at most {LARGEST_POWERSET} tasks"
        )
    orders = list(permutations(record.names))
    table = pd.DataFrame([summary(record, readout, order) for order in orders])
    return pd.DataFrame({"order": orders}).join(table[MEASURES])


def skipped_in(record: RunRecord, tolerance: float) -> tuple[Skipped, np.ndarray]:
    """Skip heads for all test images of a finished run, after its last task.

    Returns:
        What is left, and the absolute change [N] of the gated score; rows as in the record.

    Raises:
        ConfigError: The strategy has no gate, or the tolerance is out of range.
    """
    weights = np.concatenate([gate_weights(record, task) for task in record.names])
    heads = np.stack([record.head(task) for task in record.names], axis=1)
    skipped = skip_heads(heads, weights, tolerance)
    return skipped, np.abs(skipped.scores - (weights * heads).sum(axis=1))

"""What one record says of single test images: the gate's weights, and images worth a look."""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from tsniqa.data import load_task
from tsniqa.errors import ConfigError, DataError
from tsniqa.model.gating import softmin_weights
from tsniqa.study.evaluation import predictions
from tsniqa.study.record import RunRecord


def gate_weights(record: RunRecord, task: str) -> np.ndarray:
    """Return the weights [n, T] of all heads (name order) for one task's test images.

    Raises:
        ConfigError: The strategy has no gate.
    """
    if record.distances is None:
        raise ConfigError(f"strategy '{record.strategy}' has no gate")
    temperature = record.description.preset.gate.temperature
    return softmin_weights(record.distances[record.rows(task)], temperature)


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


def telling_images(record: RunRecord, readout: str, task: str, data_root: Path) -> pd.DataFrame:
    """Pick four test images of a task: the ends of the final ranking, and its largest errors.

    Returns:
        One row an image: ``what`` (why it is shown), ``path``, and its places by ``predicted``
        quality and ``opinion``, 1 being the best of ``count``. Empty if the images are not on this
        machine, or are not those of the record.
    """
    columns, config = ["what", "path", "predicted", "opinion", "count"], record.config
    try:
        images = load_task(task, data_root, config.seed, config.split)
        paths, mos = images.paths("test"), images.mos("test")
        here = images.part("test")["image"].tolist() == record.test_images[task]
    except (ConfigError, DataError):
        here = False
    if not here or not all(path.is_file() for path in paths):
        return pd.DataFrame(columns=columns)
    final = predictions(record, readout, record.order)[task]
    predicted, opinion = (rankdata(-values, method="ordinal") for values in (final, mos))
    picked = {
        "predicted best": predicted.argmin(),
        "predicted worst": predicted.argmax(),
        "most overrated": (opinion - predicted).argmax(),
        "most underrated": (opinion - predicted).argmin(),
    }
    rows = [(what, paths[i], predicted[i], opinion[i], len(mos)) for what, i in picked.items()]
    return pd.DataFrame(rows, columns=columns)

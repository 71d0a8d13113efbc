"""Sparse scoring: what it saves and costs on human-rated images, and with many tasks."""

import os
import time
from pathlib import Path

import numpy as np
import torch
from made_up import made_up_model, pictures

from tsniqa import TSNIQA, metrics
from tsniqa.data import load_task
from tsniqa.errors import TsniqaError
from tsniqa.model.readouts import mix, readout_levels
from tsniqa.paths import resolve
from tsniqa.pixels import as_images, shrink
from tsniqa.runtime import reproducible
from tsniqa.scoring.engine import Engine
from tsniqa.scoring.sparse import mix_read, needed, read_needed
from tsniqa.study.evaluation import analytic_weights, gate_weights
from tsniqa.study.record import RunRecord
from tsniqa.study.results import find_records

EPSILONS = (0.001, 0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 0.2)
FEW, MANY, AT, SIDE = 6, 64, 0.05, 500
TIMED = (0.01, 0.015, 0.02, 0.05)
IMAGES_PER_TASK = 3  # that are timed


def timed(engine: Engine, images: list[torch.Tensor], epsilon: float | None, readout: str) -> float:
    """Return the milliseconds an image, one at a time, with networks made before."""
    model, run = engine.model, engine.features
    lots = [image[None] for image in images]

    def work() -> None:
        for lot in lots:
            if epsilon is None:
                model.read(lot, compute=run)
            else:
                read_needed(model, lot, readout, epsilon, run)

    work()
    start = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - start) / len(lots)


def many_tasks() -> dict[str, float]:
    """Measure six and 64 made-up tasks, sparse and exact, on one thread."""
    found: dict[str, float] = {"epsilon": AT}
    for count in (FEW, MANY):
        model = made_up_model("efficientnet-lite0", count)
        images = [pictures(task, 1, SIDE, 1)[0] for task in range(FEW)]
        weights, _ = model.mixture(model.read(images, []), "calibrated")
        with reproducible(1):
            engine = Engine(model)
            found[f"{count} tasks, sparse, ms"] = timed(engine, images, AT, "calibrated")
            found[f"{count} tasks, exact, ms"] = timed(engine, images[:2], None, "calibrated")
        found[f"{count} tasks, passes"] = 1 + float(needed(weights, AT).sum(axis=1).mean())
    found["growth, sparse"] = found["64 tasks, sparse, ms"] / found["6 tasks, sparse, ms"]
    found["growth, exact"] = found["64 tasks, exact, ms"] / found["6 tasks, exact, ms"]
    return found


def curves(folder: str | None) -> dict[str, object]:
    """Compute sparse scores of the human-rated test images from the published heads and gates.

    Opinions are read from the datasets in the folder that TSNIQA_DATA names.

    Args:
        folder: Of a model of these tasks that is to be timed on some of the images, or None.
    """
    root = os.environ.get("TSNIQA_DATA")
    wanted = {"preset": "open", "strategy": "tsn", "split": "0", "overrides": {}}
    records = [one for one in find_records(resolve("results/records"), **wanted)]
    records = [one for one in records if len(one.names) == FEW and one.config.backbone is None]
    if not root or not records:
        return {"left out": "TSNIQA_DATA names no folder of the six datasets, or no run of them"}
    record = records[0]
    try:
        tasks = {name: load_task(name, Path(root), 0, "0") for name in record.names}
    except TsniqaError as error:
        return {"left out": str(error)}
    found = {
        readout: [point(record, tasks, readout, epsilon) for epsilon in EPSILONS]
        for readout in ("gated", "calibrated")
    }
    if folder is not None:
        add_times(found, TSNIQA.load(folder), tasks)
    return {"record": record.description.run_id, **found}


def point(record: RunRecord, tasks: dict, readout: str, epsilon: float) -> dict[str, float]:
    """Compute one point of a curve."""
    heads = np.stack([record.head(name) for name in record.names], axis=1)
    weigh = analytic_weights if readout == "calibrated" else gate_weights
    weights = weigh(record, record.names)
    levels = readout_levels(readout, [record.level(name) for name in record.names])
    wanted = needed(weights, epsilon)
    scores, bounds = mix_read(np.where(wanted, heads, np.nan), weights, levels)
    whole = mix(heads, weights, levels)
    changes = []
    for name, task in tasks.items():
        rows, mos = record.rows(name), task.mos("test")
        changes.append(metrics.srcc(scores[rows], mos) - metrics.srcc(whole[rows], mos))
    passes = 1 + float(wanted.sum(axis=1).mean())
    return {
        "epsilon": epsilon,
        "passes": passes,
        "fewer passes": (1 + len(tasks)) / passes,
        "median bound": float(np.median(bounds)),
        "largest bound": float(bounds.max()),
        "largest error": float(np.abs(scores - whole).max()),
        "mean SRCC change": float(np.mean(changes)),
        "largest SRCC change": float(np.abs(changes).max()),
    }


def add_times(found: dict[str, list[dict]], model: TSNIQA, tasks: dict) -> None:
    """Add to every point how much faster a model scores some images of every task."""
    paths = [path for task in tasks.values() for path in task.paths("test")[:IMAGES_PER_TASK]]
    images = [shrink(image, model.shorter_side) for image in as_images(paths)]
    with reproducible(1):
        engine = Engine(model)
        for readout, points in found.items():
            whole = timed(engine, images, None, readout)
            for one in points:
                if one["epsilon"] in TIMED:
                    own = timed(engine, images, one["epsilon"], readout)
                    one["times as fast"] = whole / own

"""Scoring speed: one image and one task at a time, as published code does, against batches.

    python benchmarks/speed.py [MODEL_FOLDER]     (or: make bench)

Both in one process, one after the other, from decoded images, on one thread.
"""

import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from scipy.special import softmax

from tsniqa import TSNIQA
from tsniqa.data import load_task
from tsniqa.data.images import ImageSet
from tsniqa.paths import resolve
from tsniqa.runtime import reproducible
from tsniqa.study.config import run_config
from tsniqa.study.runner import run

IMAGES_PER_TASK = 20
REPETITIONS = 3


def score_one_by_one(model: TSNIQA, images: ImageSet) -> np.ndarray:
    """Score as published code does: per image and task, load, forward, compare, then mix.

    Loading is from memory, which favours this side. It shares no loop with ``TSNIQA.predict``.

    Returns:
        Float64 [N].
    """
    backbone, scores = model.backbone, []
    with torch.inference_mode():
        for image in images:
            inputs = backbone.preprocess(image[None])
            model.bank.load(None)
            gate = [stage[0].numpy() for stage in backbone(inputs).gate]
            qualities, distances = [], []
            for task in model.tasks:
                model.bank.load(task)
                feature, weight = backbone(inputs).head[0], model.heads[task].weight
                qualities.append(float(feature @ weight / weight.norm()))
                stages = zip(gate, model.gate.centroids_[task], strict=True)
                distances.append([np.linalg.norm(c - x, axis=1).min() for x, c in stages])
            weights = softmax(-model.gate.temperature * np.array(distances), axis=0).mean(axis=1)
            scores.append(float(weights @ np.array(qualities)))
    model.bank.load(None)
    return np.array(scores)


def median_time(score: Callable[[], np.ndarray]) -> tuple[np.ndarray, float]:
    """Return what a function returns, and the median of its seconds after a first call."""
    result, seconds = score(), []
    for _ in range(REPETITIONS):
        start = time.perf_counter()
        score()
        seconds.append(time.perf_counter() - start)
    return result, statistics.median(seconds)


def main(folder: str | None = None) -> None:
    """Print images a second of both ways, and how far their scores differ."""
    data_root = resolve("data/raw")
    if folder is None:
        folder = run(run_config(), data_root, resolve(".runs/records")).folder / "model"
    model = TSNIQA.load(folder)
    tasks = [load_task(name, data_root, 0) for name in model.tasks]
    images = ImageSet([path for t in tasks for path in t.paths("test")[:IMAGES_PER_TASK]], None)
    decoded = list(images)
    with reproducible(1):
        plain, plain_seconds = median_time(lambda: score_one_by_one(model, images))
        ours, our_seconds = median_time(lambda: model.predict(decoded))
    print(f"gated scoring, {len(tasks)} tasks, {len(images)} images, 1 thread")
    print(f"  one image and task at a time: {len(images) / plain_seconds:8.1f} images a second")
    print(f"  this package, in batches:     {len(images) / our_seconds:8.1f} images a second")
    print(f"  ratio {plain_seconds / our_seconds:.2f}, ", end="")
    print(f"largest score difference {np.abs(plain - ours).max():.1e}")


if __name__ == "__main__":
    main(*sys.argv[1:])

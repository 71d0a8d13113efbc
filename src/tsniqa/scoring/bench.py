"""Two measurements against the plain published way, made in one process, one after the other."""

import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from scipy.special import softmax

from tsniqa.data import load_task
from tsniqa.data.images import ImageSet
from tsniqa.model.heads import LinearHead
from tsniqa.model.normalization import affine_parameters
from tsniqa.model.tsniqa import TSNIQA
from tsniqa.paths import resolve
from tsniqa.runtime import reproducible
from tsniqa.study.config import resolve_run, run_config
from tsniqa.study.runner import run, training_context
from tsniqa.training.trainer import Epoch, LabelledImages, learn_images

IMAGES_PER_TASK = 20
REPETITIONS = 3
TASK = "mini-live"


def report(model_folder: Path | None, records: Path) -> Iterator[str]:
    """Yield the lines of the benchmark as they are measured.

    Args:
        model_folder: A saved TSN model; None takes the mini run's, learning it if need be.
        records: Folder of run records.
    """
    data_root = resolve("data/raw")
    if model_folder is None:
        model_folder = run(run_config(), data_root, records).folder / "model"
    model = TSNIQA.load(model_folder)
    with reproducible(1):
        yield from scoring_lines(model)
        yield from learning_lines(data_root)


def scoring_lines(model: TSNIQA) -> Iterator[str]:
    """Measure gated scoring: one image at a time with every task's files read, or in batches."""
    tasks = [load_task(name, resolve("data/raw"), 0) for name in model.tasks]
    images = ImageSet([path for t in tasks for path in t.paths("test")[:IMAGES_PER_TASK]], None)
    for i in range(len(images)):
        images[i]  # decode: both ways start from decoded images
    plain, plain_seconds = _median_time(lambda: score_one_by_one(model, images))
    ours, our_seconds = _median_time(lambda: model.score(images))
    difference = np.abs(plain - ours).max()
    yield f"gated scoring, {len(tasks)} tasks, {len(images)} images, 1 thread"
    yield f"  one image and task at a time: {len(images) / plain_seconds:8.1f} images a second"
    yield f"  this package, in batches:     {len(images) / our_seconds:8.1f} images a second"
    yield f"  ratio {plain_seconds / our_seconds:.2f}, largest score difference {difference:.1e}"


def score_one_by_one(model: TSNIQA, images: ImageSet) -> np.ndarray:
    """Score as published code does: per image and task, load, forward, compare, then mix.

    Loading is from memory, which favours this side. It is also an implementation of the gated
    score that shares no loop with :meth:`TSNIQA.score`.

    Returns:
        Float64 [N].
    """
    backbone, scores = model.backbone, []
    with torch.inference_mode():
        for i in range(len(images)):
            inputs = backbone.preprocess(images[i][None])
            model.bank.load(None)
            gate = [stage[0].numpy() for stage in backbone.features(inputs).gate]
            qualities, distances = [], []
            for task in model.tasks:
                model.bank.load(task)
                feature = backbone.features(inputs).head[0]
                weight = model.heads[task].weight
                qualities.append(float(feature @ weight / weight.norm()))
                stages = zip(gate, model.gate.centroids_[task], strict=True)
                distances.append([np.linalg.norm(c - x, axis=1).min() for x, c in stages])
            weights = softmax(-model.gate.temperature * np.array(distances), axis=0).mean(axis=1)
            scores.append(float(weights @ np.array(qualities)))
    model.bank.load(None)
    return np.array(scores)


def _median_time(score: Callable[[], np.ndarray]) -> tuple[np.ndarray, float]:
    result, seconds = score(), []  # the first call warms up
    for _ in range(REPETITIONS):
        start = time.perf_counter()
        score()
        seconds.append(time.perf_counter() - start)
    return result, statistics.median(seconds)


def learning_lines(data_root: Path) -> Iterator[str]:
    """Measure the time to reach a validation SRCC that both ways reach, from a random head."""
    ways = {
        "pairs loaded one by one, decoded each time": True,
        "all pairs within batches of decoded images": False,
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    targets = []
    for seed in range(REPETITIONS):
        histories = {name: _learn(data_root, loaded, seed) for name, loaded in ways.items()}
        target = min(max(epoch.validation_srcc for epoch in h) for h in histories.values())
        targets.append(f"{target:.3f}")
        for name, history in histories.items():
            reached = next(i for i, e in enumerate(history) if e.validation_srcc >= target)
            seconds[name].append(sum(epoch.seconds for epoch in history[: reached + 1]))
    yield f"learning {TASK} from a random head to validation SRCC {', '.join(targets)}, 1 thread"
    for name, values in seconds.items():
        each = ", ".join(f"{value:.1f}" for value in values)
        yield f"  {name}: {each} s (median {statistics.median(values):.1f} s)"


def _learn(data_root: Path, loaded: bool, seed: int) -> list[Epoch]:
    """Learn from the same random head; an epoch loads each image once on average either way."""
    resolved = resolve_run(run_config(task_order=[TASK]), data_root, "cpu")
    setting, task = training_context(resolved), resolved.tasks[0]
    head = LinearHead(setting.backbone.head_width, torch.Generator().manual_seed(seed))
    parts = [setting.images(task, part) for part in ("train", "val")]
    step, train = setting.schedule.normalization, parts[0]
    if loaded:
        pairs = {"batch": step.batch // 2, "pairs": len(train.mos) // 2}
        step = step.model_copy(update=pairs)
        train = LabelledImages(ImageSet(task.paths("train"), None, memory_limit=0), train.mos)
    trained = affine_parameters(setting.backbone.network)
    return learn_images(setting.backbone, head, trained, [train], parts[1:], step, seed)

"""Scoring: what it costs, against the plain published way, and what of it this machine could do.

    python benchmarks/speed.py [MODEL_FOLDER]     (or: make bench)

Both ways run in one process, one after the other and again, on decoded images of 500 x 500 pixels.
The published way is eager PyTorch, one image and one task at a time, with this package's setting of
the allocator, which favours it. Models are made up (:mod:`made_up`): time does not depend on what a
network has learned. With a model of the six human-rated tasks, and a folder of their images in
TSNIQA_DATA, sparse scoring is timed on real images, too. The table is printed, and written to
``results/benchmarks/scoring.json``.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import commands
import goals
import numpy as np
import sparse
import torch
from made_up import made_up_model, pictures
from scipy.special import softmax
from torch import nn

from tsniqa import TSNIQA
from tsniqa.errors import TsniqaError
from tsniqa.paths import resolve
from tsniqa.runtime import available_cores, instruction_sets, reproducible
from tsniqa.scoring.engine import Engine

SIDE, IMAGES, TASKS, ROUNDS = 500, 6, 6, 2


def score_one_by_one(model: TSNIQA, images: torch.Tensor) -> np.ndarray:
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


def seconds(work: Callable[[], object]) -> float:
    """Return the time that a function takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def matrix_rate(size: int = 2048) -> float:
    """Measure the multiplications and additions a second, in 10^9, of a float32 matrix product."""
    one, two = torch.rand(2, size, size)
    return 2 * size**3 / min(seconds(lambda: one @ two) for _ in range(5)) / 1e9


def memory_rate(numbers: int = 6_000_000) -> float:
    """Measure the bytes a second, in 10^9, that a copy of float32 numbers reads and writes.

    They are as many as a large layer's: those of EfficientNet-Lite0's first expansion.
    """
    one, two = torch.rand(2, numbers)
    return 2 * 4 * numbers / min(seconds(lambda: two.copy_(one)) for _ in range(9)) / 1e9


def layers(model: TSNIQA) -> list[tuple[float, float]]:
    """List the convolutions of an image's passes: one a task, one to the gate's last stage.

    Returns:
        Of each the multiplications and additions, and the bytes that it reads and writes even if
        all else is done on the way, both in 10^9.
    """
    found: list[tuple[float, float]] = []

    def note(layer: nn.Conv2d, inputs: tuple[torch.Tensor], output: torch.Tensor) -> None:
        moved = 4 * (inputs[0].numel() + output.numel() + layer.weight.numel())
        found.append((2 * output.numel() * layer.weight[0].numel() / 1e9, moved / 1e9))

    network = model.backbone.network
    convolutions = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    hooks = [layer.register_forward_hook(note) for layer in convolutions]
    inputs = model.backbone.preprocess(torch.zeros(1, 3, SIDE, SIDE))
    with torch.inference_mode():
        model.backbone(inputs)
        task, found = found, []
        network.forward_intermediates(inputs, intermediates_only=True)
    for hook in hooks:
        hook.remove()
    return len(model.tasks) * task + found


def exact(card: str, threads: int) -> dict[str, float]:
    """Measure both ways, A B A B, with a number of threads: milliseconds an image, the fastest."""
    model = made_up_model(card, TASKS)
    images = torch.cat([pictures(task, IMAGES // TASKS, SIDE, 1) for task in range(TASKS)])
    with reproducible(threads):
        engine, found = Engine(model), []

        def engine_scores() -> np.ndarray:
            parts = [model.read(image[None], compute=engine.features) for image in images]
            return np.concatenate([model.table(part, "gated")["score"] for part in parts])

        ways = {"published": lambda: score_one_by_one(model, images), "engine": engine_scores}
        difference = np.abs(ways["published"]() - ways["engine"]()).max()  # and all is warm
        for _ in range(ROUNDS):
            rates = matrix_rate(), memory_rate()
            found.append((*rates, *(seconds(way) / len(images) for way in ways.values())))
    matrix, memory = (max(column) for column in list(zip(*found, strict=True))[:2])
    published, ours = (min(column) for column in list(zip(*found, strict=True))[2:])
    parts = layers(model)
    needed = sum(operations for operations, _ in parts)
    floor = sum(max(operations / matrix, moved / memory) for operations, moved in parts)
    return {
        "backbone": card,
        "threads": threads,
        "library": engine.library,
        "published, ms": 1000 * published,
        "engine, ms": 1000 * ours,
        "ratio": published / ours,
        "ratios of the rounds": [one[2] / one[3] for one in found],
        "largest difference": float(difference),
        "operations, 10^9": needed,
        "matrix rate, 10^9/s": matrix,
        "memory rate, 10^9 bytes/s": memory,
        "share of the matrix rate": needed / ours / matrix,
        "floor, ms": 1000 * floor,
        "ratio at the floor": published / floor,
    }


def bf16() -> str:
    """Say why nothing is measured in bf16, or how it ranks and how fast it is."""
    try:
        import openvino
    except ImportError:
        return "not measured: openvino is not installed"
    known = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if "BF16" not in known:
        return f"not measured: this processor has no bf16 (it has {', '.join(sorted(known))})"
    model, images = made_up_model("efficientnet-lite0", TASKS), pictures(0, IMAGES, SIDE, 1)
    with reproducible(1):
        engine = Engine(model, "openvino", "bf16")
        own = seconds(lambda: model.read(images, compute=engine.features))
        own = min(own, seconds(lambda: model.read(images, compute=engine.features)))
        return f"{seconds(lambda: score_one_by_one(model, images)) / own:.2f} times"


def main(folder: str | None = None) -> None:
    """Measure, print and keep everything."""
    found: dict = {
        "date": date.today().isoformat(),
        "load before": os.getloadavg()[0],
        "machine": f"{instruction_sets()}, {available_cores()} cores",
        "images": f"{IMAGES} of {SIDE} x {SIDE} pixels, {TASKS} made-up tasks",
        "exact": [],
        "bf16": bf16(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else "none here",
    }
    for card in goals.NAMES:
        for threads in sorted({1, min(2, available_cores())}):
            try:
                found["exact"].append(exact(card, threads))
            except TsniqaError as error:  # weights that are not here
                found["exact"].append(
                    {"backbone": card, "threads": threads, "left out": str(error)}
                )
            print(json.dumps(found["exact"][-1]), flush=True)
    for name, measure in (
        ("many tasks", sparse.many_tasks),
        ("sparse", lambda: sparse.curves(folder)),
        ("command", commands.measure),
    ):
        found[name] = measure()
        print(json.dumps({name: found[name]}), flush=True)
    found["table"] = goals.table(found)
    for row in found["table"]:
        print("{what}; goal {goal}: {found}. Reached: {reached}".format(**row))
    path = resolve("results/benchmarks/scoring.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(f"written: {Path(path)}")


if __name__ == "__main__":
    main(*sys.argv[1:])

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
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import commands
import numpy as np
import sparse
import torch
from made_up import made_up_model, pictures
from scipy.special import softmax
from torch.utils.flop_counter import FlopCounterMode

from tsniqa import TSNIQA
from tsniqa.errors import TsniqaError
from tsniqa.paths import resolve
from tsniqa.runtime import available_cores, instruction_sets, reproducible
from tsniqa.scoring.engine import Engine

SIDE, IMAGES, TASKS, ROUNDS = 500, 6, 6, 2
GOALS = {"efficientnet-lite0": 3.0, "mobilenetv2-keras": 3.0, "resnet18-cntk": 1.5}
MATRIX_GOAL = 0.85  # of the matrix rate, which serves ResNet-18 as well as its ratio


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


def operations(model: TSNIQA) -> float:
    """Count the multiplications and additions, in 10^9, that an image needs: the engine's passes.

    One pass a task, and one to the gate's last stage.
    """
    inputs = model.backbone.preprocess(torch.zeros(1, 3, SIDE, SIDE))
    with torch.inference_mode(), FlopCounterMode(display=False) as whole:
        model.backbone(inputs)
    with torch.inference_mode(), FlopCounterMode(display=False) as gate:
        model.backbone.network.forward_intermediates(inputs, intermediates_only=True)
    return (len(model.tasks) * whole.get_total_flops() + gate.get_total_flops()) / 1e9


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
            found += [(matrix_rate(), *(seconds(way) for way in ways.values()))]
    rate = max(one[0] for one in found)
    published, ours = (min(column) / len(images) for column in list(zip(*found, strict=True))[1:])
    return {
        "backbone": card,
        "threads": threads,
        "library": engine.library,
        "published, ms": 1000 * published,
        "engine, ms": 1000 * ours,
        "ratio": published / ours,
        "ratios of the rounds": [one[1] / one[2] for one in found],
        "largest difference": float(difference),
        "operations, 10^9": operations(model),
        "matrix rate, 10^9/s": rate,
        "share of the matrix rate": operations(model) / ours / rate,
        "ratio at the matrix rate": published * rate / operations(model),
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
        "machine": f"{instruction_sets()}, {available_cores()} cores",
        "images": f"{IMAGES} of {SIDE} x {SIDE} pixels, {TASKS} made-up tasks",
        "exact": [],
        "bf16": bf16(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else "none here",
    }
    for card in GOALS:
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
    path = resolve("results/benchmarks/scoring.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(f"written: {Path(path)}")


if __name__ == "__main__":
    main(*sys.argv[1:])

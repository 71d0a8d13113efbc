"""Training speed: seconds per 1,000 training images of this loop, and of the loop before.

    python benchmarks/training.py     (or: make bench)

On one thread, with the schedules of the preset ``open`` (crops of 224 pixels), on the default
backbone and noise images of 500 x 500 pixels that lie in memory. Seconds are of processor time, so
that other programs disturb little. Each strategy is measured in a process of its own, both loops in
turns, and the faster repetition counts. Printed, and written to ``results/benchmarks/speed.json``.
"""

import copy
import json
import multiprocessing
import resource
import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from loop_before import fit_before

from tsniqa.data.images import ImageSet
from tsniqa.model.backbone import Backbone, load_backbone
from tsniqa.model.heads import LinearHead
from tsniqa.model.normalization import NormalizationBank
from tsniqa.paths import resolve
from tsniqa.runtime import instruction_sets, reproducible
from tsniqa.scoring.features import image_features
from tsniqa.strategies import find_strategy
from tsniqa.study.config import load_preset
from tsniqa.training.context import LabelledImages
from tsniqa.training.penalty import choose_penalty
from tsniqa.training.trainer import Learning, Source, fit

STRATEGIES = ("tsn", "separate", "head-only")
TRAIN, VALIDATION = 32, 5  # images, about as in a 70/10/20 split
STORED = 1000  # images whose features heads are learned on
REPETITIONS = 2


class Noise(ImageSet):
    """Images of noise, as if they had been decoded."""

    def __init__(self, count: int) -> None:
        super().__init__([], None)
        generator = torch.Generator().manual_seed(count)
        shape, like = (count, 3, 500, 500), {"dtype": torch.uint8, "generator": generator}
        self.pixels = torch.randint(256, shape, **like)

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: int) -> torch.Tensor:
        return self.pixels[index]


def source(images: ImageSet, count: int, width: int, features: bool = False) -> Source:
    """Make a source of images, of random features [count, width] if asked for, and of opinions."""
    random = torch.Generator().manual_seed(1)
    mos = torch.rand(count, generator=random)
    stored = torch.randn(count, width, generator=random) if features else None
    stored = None if stored is None else torch.nn.functional.normalize(stored, dim=1)
    labelled = LabelledImages(images, mos, "noise", np.arange(count))
    return Source(labelled, LinearHead(width, random), stored)


def seconds(work: Callable[[], object]) -> float:
    """Return the processor time that a function takes."""
    start = time.process_time()
    work()
    return time.process_time() - start


def finetuning(backbone: Backbone, strategy: str) -> list[tuple[float, float]]:
    """Measure step two on crops: this loop and the loop before, by 1,000 images of an epoch."""
    kind, schedules = find_strategy(strategy), load_preset("open").schedule
    schedule = schedules.full if strategy == "separate" else schedules.normalization
    train, validation = Noise(TRAIN), Noise(VALIDATION)
    found = []
    for _ in range(REPETITIONS):
        pair = []
        for loop in ("this", "before"):
            own = copy.deepcopy(backbone)
            parameters = NormalizationBank(own.network, kind.select).parameters()
            learn = source(train, TRAIN, own.head_width)
            judge = source(validation, VALIDATION, own.head_width)._replace(head=learn.head)
            if loop == "this":
                how = Learning(parameters)
                taken = seconds(lambda: fit("images", schedule, own, [learn], [judge], 0, how))  # noqa: B023
            else:
                taken = seconds(lambda: fit_before(schedule, own, learn, judge, parameters))  # noqa: B023
            pair.append(taken * 1000 / (TRAIN * schedule.epochs))
        found.append(tuple(pair))
    return found


def heads(backbone: Backbone) -> list[tuple[float, float]]:
    """Measure heads alone, all of it: features of 1,000 whole images, then every epoch."""
    schedule = load_preset("open").schedule.head
    reading = seconds(lambda: image_features(backbone, Noise(TRAIN))) * STORED / TRAIN
    width = backbone.head_width
    learn = source(Noise(1), STORED, width, features=True)
    judge = source(Noise(1), STORED // 7, width, features=True)._replace(head=learn.head)

    def fold(own: list[Source], held: list[Source], penalty: float) -> list:
        return fit("head", schedule, backbone, own, held, 0, Learning(head_decay=penalty))

    def chosen() -> None:
        penalty = choose_penalty(schedule.weight_decay, [learn], fold)
        fold([learn], [judge], penalty)

    before = seconds(lambda: fit_before(schedule, backbone, learn, judge, decay=5e-4))
    return [(reading + seconds(chosen), reading + before)]


def measure(strategy: str) -> dict[str, float]:
    """Measure one strategy in this process."""
    backbone = load_backbone(load_preset("open").backbone)
    with reproducible(1):
        found = heads(backbone) if strategy == "head-only" else finetuning(backbone, strategy)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # of kilobytes, on a Mac bytes
    this, before = (min(values) for values in zip(*found, strict=True))
    megabytes = peak / (2**20 if sys.platform == "darwin" else 2**10)
    return {
        "this loop": round(this, 1),
        "loop before": round(before, 1),
        "peak memory in MB": round(megabytes),
    }


def main() -> None:
    """Measure all strategies, print a table and keep it."""
    results = {}
    for strategy in STRATEGIES:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            results[strategy] = pool.apply(measure, (strategy,))
        print(f"{strategy}: {results[strategy]}", flush=True)
    about = {
        "what": "seconds of processor time per 1,000 training images at 224 pixels, one thread; "
        "tsn and separate: one epoch of step two; head-only: features and all epochs of step one, "
        "which this loop also uses to choose a penalty",
        "backbone": load_preset("open").backbone,
        "machine": instruction_sets(),
    }
    path = resolve("results/benchmarks/speed.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(about | results, indent=1) + "\n")


if __name__ == "__main__":
    main()

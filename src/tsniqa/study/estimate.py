"""How long a run will take, from two measured batches and the sizes of its images."""

import math
import time
from collections.abc import Callable

import torch

from tsniqa.data.images import ImageSet
from tsniqa.model.backbone import Backbone
from tsniqa.model.normalization import affine_parameters
from tsniqa.scoring.features import BATCH
from tsniqa.study.planning import Plan
from tsniqa.training.schedules import HeadStep, ImageStep

_SIDE = 224
"""Side in pixels of the square that the speed is measured on."""


def announcement(plan: Plan) -> str:
    """Say in one line what a run will do and about how long it will take."""
    images = sum(len(task.table) for task in plan.tasks)
    seconds = estimated_seconds(plan, *measured_speed(plan.setting.backbone))
    return (
        f"{plan.run_id}: {len(plan.tasks)} tasks, {images} images,"
        f" about {in_words(seconds)} on {plan.setting.backbone.device.type}"
        " (from two measured batches)"
    )


def measured_speed(backbone: Backbone) -> tuple[float, float]:
    """Measure seconds a pixel of scoring and of learning on images.

    Args:
        backbone: In evaluation mode, every parameter frozen; it is left like that.

    Returns:
        Seconds a pixel of a forward pass, and of a forward and backward pass.
    """
    pixels = torch.full((BATCH, 3, _SIDE, _SIDE), 128, dtype=torch.uint8)

    def score() -> None:
        with torch.inference_mode():
            backbone.features(backbone.preprocess(pixels)).head.cpu()

    def learn() -> None:
        mixed = backbone.device.type == "cuda"
        with torch.autocast(backbone.device.type, torch.bfloat16, enabled=mixed):
            features = backbone.features(backbone.preprocess(pixels)).head
        torch.autograd.grad(features.float().sum(), trained)

    trained = affine_parameters(backbone.network)
    scoring = _seconds(score) / (BATCH * _SIDE**2)
    for parameter in trained:
        parameter.requires_grad_(True)
    try:
        learning = _seconds(learn) / (BATCH * _SIDE**2)
    finally:
        backbone.requires_grad_(False)
    return scoring, learning


def _seconds(work: Callable[[], None]) -> float:
    work()  # the first pass also allocates and chooses kernels
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def estimated_seconds(plan: Plan, scoring: float, learning: float) -> float:
    """Estimate the duration of a run.

    Counted are the passes over pixels: reference features, both steps with their validations, and
    the scores of all test images by every new head. K-means and decoding are left out.

    Args:
        plan: The run.
        scoring: Seconds a pixel of a forward pass.
        learning: Seconds a pixel of a forward and backward pass.

    Returns:
        Seconds.
    """
    pixels = {
        (task.name, part): _pixels(plan.setting.images(task, part).images)
        for task in plan.tasks
        for part in ("train", "val", "test")
    }
    tests = sum(pixels[task.name, "test"] for task in plan.tasks)
    total = tests * scoring  # the gate's distances
    for task in plan.tasks:
        train, validation = pixels[task.name, "train"], pixels[task.name, "val"]
        total += (2 * train + validation) * scoring  # before and after learning
        number = len(task.part("train"))
        for step, rate in (
            (plan.preset.schedule.head, scoring),
            (plan.strategy.step_two(), learning),
        ):
            if isinstance(step, ImageStep):
                shown = step.epochs * crops_an_epoch(step, task.name, number) * step.crop**2
                total += shown * rate + (step.epochs + 1) * validation * scoring
        total += 0 if plan.strategy.all_at_once else tests * scoring
    return total


def crops_an_epoch(step: HeadStep, task: str, images: int) -> int:
    """Return how many crops an epoch shows: every image once, or two a drawn pair."""
    pairs = step.pairs_of(task)
    return images if pairs is None else 2 * pairs


def _pixels(images: ImageSet) -> int:
    """Count the pixels of images; decoded ones on disk tell their size without being read."""
    return sum(math.prod(image.shape[1:]) for image in images)


def in_words(seconds: float) -> str:
    """Say a duration with the precision of an estimate: seconds, minutes, or hours and minutes."""
    if seconds < 90:
        return f"{math.ceil(seconds)} s"
    minutes = round(seconds / 60)
    return f"{minutes} minutes" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02d} min"

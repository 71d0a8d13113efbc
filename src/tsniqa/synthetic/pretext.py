"""Pretraining of the mini backbone: name the distortion and its level on scenes of its own.

The scenes come from seeds that no task of the mini benchmark uses, and more than half of the
benchmark's distortions are held out, so that the frozen filters have not been made for the tasks.
No task has a part in it: recipes were compared by their accuracy on the pretext's own validation
scenes alone.
"""

import time
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import timm
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from tsniqa.data.images import random_crop
from tsniqa.pixels import normalize
from tsniqa.runtime import keep_freed_memory
from tsniqa.seeds import derive_seed, generator
from tsniqa.synthetic.distortions import DISTORTIONS, PRETEXT_DISTORTIONS, distort
from tsniqa.synthetic.scenes import pretext_scene

MODEL = "resnet10t"
ARGUMENTS: dict[str, object] = {"channels": [16, 32, 64, 128], "stem_width": 16}
MEAN = (0.5, 0.5, 0.5)
STD = (0.25, 0.25, 0.25)
SIZE = 96
"""Side of the pretext's images in pixels, that of the mini benchmark."""

LEVELS = 5
TYPES = ("pristine", *PRETEXT_DISTORTIONS)
HELD_OUT_TYPES = tuple(name for name in DISTORTIONS if name not in PRETEXT_DISTORTIONS)
"""Distortions of the mini benchmark that the backbone has never seen."""

CLASSES = 1 + len(PRETEXT_DISTORTIONS) * LEVELS
"""The pristine image, and every pair of distortion and level."""

VALIDATION_START = 1_000_000
"""Number of the first validation scene; recipes were compared on these scenes."""

TEST_START = 2_000_000
"""Number of the first test scene; the accuracies that are reported come from these scenes."""


class Recipe(BaseModel):
    """How the backbone is pretrained.

    Attributes:
        seed: Seed of scenes, weights and batches.
        images: Number of training images, each of its own scene.
        validation: Number of validation images, of further scenes.
        test: Number of test images, of yet further scenes.
        epochs: Passes over the training images.
        batch: Images a batch.
        learning_rate: Highest rate of AdamW; it follows one cycle.
        weight_decay: AdamW's penalty.
        crop: Side of the random training crops in pixels.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = 0
    images: int = 8000
    validation: int = 1000
    test: int = 1000
    epochs: int = 15
    batch: int = 32
    learning_rate: float = 4e-3
    weight_decay: float = 0.02
    crop: int = 80


class Accuracy(BaseModel):
    """Shares of images in [0, 1].

    Attributes:
        type: Images whose distortion is named.
        level: Distorted images whose level is named, whatever the type named with it.
        both: Images whose distortion and level are named.
    """

    type: float
    level: float
    both: float


class PretextEpoch(BaseModel):
    """What one epoch came to: mean training loss, validation accuracy, processor time."""

    epoch: int
    loss: float
    validation: Accuracy
    processor_seconds: float


class PretextImages(NamedTuple):
    """Images uint8 [N, 3, 96, 96] and classes int64 [N], see :func:`class_of`."""

    images: Tensor
    classes: Tensor


def class_of(kind: int, level: int) -> int:
    """Number the pair of a type (place in TYPES) and a level 1 to 5; pristine is class 0."""
    return 0 if kind == 0 else 1 + (kind - 1) * LEVELS + level - 1


def type_of(classes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the types (places in TYPES) of classes, both int64 [N]."""
    return np.where(classes == 0, 0, (classes - 1) // LEVELS + 1)


def level_of(classes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the levels of classes, both int64 [N]; 0 for the pristine class."""
    return np.where(classes == 0, 0, (classes - 1) % LEVELS + 1)


def make_images(first: int, count: int, seed: int) -> PretextImages:
    """Make pretext images; every scene has one image, its type and level drawn evenly.

    Args:
        first: Number of the first scene; different numbers are different scenes.
        count: Number of images.
        seed: The recipe's seed.
    """
    images = np.empty((count, SIZE, SIZE, 3), np.uint8)
    classes = np.empty(count, np.int64)
    for position, index in enumerate(range(first, first + count)):
        draw = generator(seed, "pretext", "image", str(index))
        kind, level = int(draw.integers(len(TYPES))), int(draw.integers(1, LEVELS + 1))
        scene = pretext_scene(index, seed, SIZE)
        if kind:
            scene = distort(TYPES[kind], scene, level, draw)
        images[position] = np.clip(np.rint(scene * 255), 0, 255)
        classes[position] = class_of(kind, level)
    stacked = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
    return PretextImages(stacked, torch.from_numpy(classes))


def make_network(seed: int) -> nn.Module:
    """Build the network and its classifier with random weights that the seed alone decides."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "pretext", "network"))
        network = timm.create_model(MODEL, num_classes=CLASSES, **ARGUMENTS)
    return network.to(memory_format=torch.channels_last)


def pretrain(
    network: nn.Module, recipe: Recipe, train: PretextImages, validation: PretextImages
) -> Iterator[PretextEpoch]:
    """Train a network in place on the pretext, yielding an account of each epoch.

    Args:
        network: From :func:`make_network`.
        recipe: The schedule.
        train: Images to learn from.
        validation: Images of other scenes; only their accuracy is looked at.
    """
    keep_freed_memory()
    optimizer = torch.optim.AdamW(
        network.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    steps = recipe.epochs * -(-len(train.classes) // recipe.batch)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.learning_rate, steps)
    draws = torch.Generator().manual_seed(derive_seed(recipe.seed, "pretext", "batches"))
    for number in range(1, recipe.epochs + 1):
        start, losses = time.process_time(), []
        network.train()
        for indices in torch.randperm(len(train.classes), generator=draws).split(recipe.batch):
            crops = torch.stack([random_crop(train.images[i], recipe.crop, draws) for i in indices])
            loss = cross_entropy(network(normalize(crops, MEAN, STD)), train.classes[indices])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            cycle.step()
            losses.append(loss.item())
        yield PretextEpoch(
            epoch=number,
            loss=float(np.mean(losses)),
            validation=accuracy(predict(network, validation.images), validation.classes.numpy()),
            processor_seconds=round(time.process_time() - start, 2),
        )


def predict(network: nn.Module, images: Tensor) -> NDArray[np.int64]:
    """Return the predicted classes int64 [N] of uint8 images [N, 3, H, W]."""
    network.eval()
    with torch.inference_mode():
        logits = [network(normalize(batch, MEAN, STD)) for batch in images.split(100)]
    return torch.cat(logits).argmax(dim=1).numpy()


def accuracy(predicted: NDArray[np.int64], true: NDArray[np.int64]) -> Accuracy:
    """Compare predicted with true classes, both int64 [N]."""
    distorted = true != 0
    right_level = level_of(predicted[distorted]) == level_of(true[distorted])
    return Accuracy(
        type=float((type_of(predicted) == type_of(true)).mean()),
        level=float(right_level.mean()) if distorted.any() else float("nan"),
        both=float((predicted == true).mean()),
    )


def confusion(predicted: NDArray[np.int64], true: NDArray[np.int64]) -> NDArray[np.float64]:
    """Count types [true, predicted] as shares of each true type; rows without images are 0."""
    counts = np.zeros((len(TYPES), len(TYPES)))
    np.add.at(counts, (type_of(true), type_of(predicted)), 1)
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)

"""Learning in two steps: the head alone, then head and network on images.

As in the paper, the head is warmed up with everything else fixed; then head and
normalization are trained together. Both minimise the fidelity loss on pairs of one task.
"""

import copy
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn

from tsniqa.backbone import Backbone
from tsniqa.errors import ConfigError
from tsniqa.fidelity import fidelity_loss, thurstone
from tsniqa.heads import LinearHead
from tsniqa.images import ImageSet, random_crop
from tsniqa.inference import image_features
from tsniqa.metrics import srcc
from tsniqa.normalization import use_batch_statistics
from tsniqa.pairs import PairBatch, drawn_epoch, in_batch_epoch


class HeadStep(BaseModel):
    """Step one: the head alone, on features computed once.

    Attributes:
        epochs: Passes over the training images (or drawn pairs).
        batch: Images (or drawn pairs) a batch, at least 2: one image alone makes no pair.
        learning_rate: Adam's initial rate.
        weight_decay: Adam's L2 penalty.
        decay_every: The rate is divided by 10 after every so many epochs.
        pairs: Pairs to draw an epoch, one number or a number a task; None compares all images
            within each batch.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    epochs: NonNegativeInt
    batch: int = Field(ge=2)
    learning_rate: PositiveFloat
    weight_decay: float = 5e-4
    decay_every: PositiveInt
    pairs: PositiveInt | dict[str, PositiveInt] | None = None

    def pairs_of(self, task: str) -> int | None:
        """Return the number of pairs to draw an epoch from a task.

        Raises:
            ConfigError: ``pairs`` gives a number a task, and none for this one.
        """
        if not isinstance(self.pairs, dict):
            return self.pairs
        if task not in self.pairs:
            raise ConfigError(
                f"the schedule's pairs name no number for task '{task}' (only for"
                f" {', '.join(self.pairs)}); add it, or give one number for all tasks"
            )
        return self.pairs[task]


class ImageStep(HeadStep):
    """Learning on augmented crops: step two, and where a schedule says so also step one.

    Attributes:
        head_learning_rate: Adam's initial rate for the head; ``learning_rate`` is the network's.
        crop: Side of the square training crops in pixels.
        statistics: ``"kept"`` leaves the running statistics of batch normalization as they are;
            ``"batch"`` trains with batch statistics and so learns new ones (the paper's way).
    """

    head_learning_rate: PositiveFloat
    crop: PositiveInt
    statistics: Literal["kept", "batch"]


class Epoch(BaseModel):
    """What one epoch came to; epoch 0 is the state before the first.

    The validation SRCC is NaN where all scores are equal or some are no numbers.
    """

    model_config = ConfigDict(ser_json_inf_nan="constants")

    step: Literal["head", "images"]
    epoch: int
    loss: float | None
    validation_srcc: float
    seconds: float


class LabelledFeatures(NamedTuple):
    """Features [n, C] of a task's images, their mean opinion scores [n], and the task's name."""

    features: Tensor
    mos: Tensor
    task: str = ""


class LabelledImages(NamedTuple):
    """A task's images, their mean opinion scores [n], and the task's name."""

    images: ImageSet
    mos: Tensor
    task: str = ""


def warm_up(
    backbone: Backbone,
    head: LinearHead,
    images: Sequence[Sequence[LabelledImages]],
    features: Callable[[], Sequence[Sequence[LabelledFeatures]]],
    step: HeadStep,
    seed: int,
) -> list[Epoch]:
    """Do step one: on features computed once, or on crops if the schedule gives their size.

    Args:
        backbone: Unchanged.
        head: Changed in place.
        images: Training and validation images, one entry a task each.
        features: Computes training and validation features, one entry a task each.
        step: The schedule; an :class:`ImageStep` (the paper's way) learns on crops.
        seed: Everything random comes from it.

    Returns:
        The history of epochs.
    """
    if isinstance(step, ImageStep):
        train, validation = images
        return learn_images(backbone, head, [], train, validation, step, seed, name="head")
    train, validation = features()
    return learn_head(head, train, validation, step, seed)


def learn_head(
    head: LinearHead,
    train: Sequence[LabelledFeatures],
    validation: Sequence[LabelledFeatures],
    step: HeadStep,
    seed: int,
) -> list[Epoch]:
    """Train a head on fixed features and leave it at its best validation SRCC.

    Args:
        head: Changed in place.
        train: One entry a task; pairs never cross tasks.
        validation: One entry a task; the mean of their SRCC is what counts.
        step: The schedule.
        seed: Everything random comes from it.

    Returns:
        The history of epochs.
    """

    def scores(batch: PairBatch) -> Tensor:
        return head(train[batch.source].features[batch.indices])

    def validate() -> float:
        with torch.inference_mode():
            return _mean_srcc([(head.score(v.features), v.mos) for v in validation])

    groups = [{"params": list(head.parameters()), "lr": step.learning_rate}]
    return _learn("head", step, groups, train, seed, scores, validate, [head])


def learn_images(
    backbone: Backbone,
    head: LinearHead,
    parameters: Sequence[nn.Parameter],
    train: Sequence[LabelledImages],
    validation: Sequence[LabelledImages],
    step: ImageStep,
    seed: int,
    name: Literal["head", "images"] = "images",
) -> list[Epoch]:
    """Train a head and some parameters of the network; leave both at their best validation SRCC.

    Args:
        backbone: Changed in place: the given parameters, and running statistics if the step says
            so. On return it is in evaluation mode with every parameter frozen.
        head: Changed in place; on the CPU before and after.
        parameters: The network's parameters to train: normalization for TSN, all for fine-tuning,
            none for step one.
        train: One entry a task; pairs never cross tasks.
        validation: One entry a task; the mean of their SRCC is what counts.
        step: The schedule.
        seed: Everything random comes from it.
        name: What the history calls these epochs.

    Returns:
        The history of epochs.
    """
    device = backbone.device
    crops = torch.Generator().manual_seed(seed + 1)
    batch_statistics = step.statistics == "batch"

    def scores(batch: PairBatch) -> Tensor:
        images = train[batch.source].images
        cropped = [random_crop(images[i], step.crop, crops) for i in batch.indices.tolist()]
        inputs = backbone.preprocess(torch.stack(cropped))
        use_batch_statistics(backbone.network, batch_statistics)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            features = backbone.features(inputs).head
        return head(features.float())

    def validate() -> float:
        backbone.eval()
        weight = copy.deepcopy(head).cpu()
        with torch.inference_mode():
            return _mean_srcc(
                [(weight.score(image_features(backbone, v.images).head), v.mos) for v in validation]
            )

    groups = [
        {"params": list(parameters), "lr": step.learning_rate},
        {"params": list(head.parameters()), "lr": step.head_learning_rate},
    ]
    for parameter in parameters:
        parameter.requires_grad_(True)
    head.to(device)
    try:
        modules = [backbone.network, head]
        return _learn(name, step, groups, train, seed, scores, validate, modules)
    finally:
        backbone.eval().requires_grad_(False)
        head.cpu()


def _learn(
    name: Literal["head", "images"],
    step: HeadStep,
    groups: list[dict],
    train: Sequence[LabelledFeatures] | Sequence[LabelledImages],
    seed: int,
    scores: Callable[[PairBatch], Tensor],
    validate: Callable[[], float],
    modules: list[nn.Module],
) -> list[Epoch]:
    """Run the epochs of one step and restore the best state of the modules."""
    optimizer = torch.optim.Adam(groups, weight_decay=step.weight_decay)
    decay = torch.optim.lr_scheduler.StepLR(optimizer, step.decay_every, gamma=0.1)
    generator = torch.Generator().manual_seed(seed)
    history = [Epoch(step=name, epoch=0, loss=None, validation_srcc=validate(), seconds=0.0)]
    best, states = history[0].validation_srcc, _snapshot(modules)
    for number in range(1, step.epochs + 1):
        start = time.perf_counter()
        loss = _run_epoch(_batches(train, step, generator), scores, optimizer)
        decay.step()
        quality = validate()
        if quality > best or (np.isnan(best) and not np.isnan(quality)):
            best, states = quality, _snapshot(modules)
        seconds = time.perf_counter() - start
        history.append(
            Epoch(step=name, epoch=number, loss=loss, validation_srcc=quality, seconds=seconds)
        )
    for module, state in zip(modules, states, strict=True):
        module.load_state_dict(state)
    return history


def _batches(
    train: Sequence[LabelledFeatures] | Sequence[LabelledImages],
    step: HeadStep,
    generator: torch.Generator,
) -> Iterator[PairBatch]:
    mos = [entry.mos for entry in train]
    if step.pairs is None:
        return in_batch_epoch(mos, step.batch, generator)
    pairs = [step.pairs_of(entry.task) or 0 for entry in train]
    return drawn_epoch(mos, step.batch, pairs, generator)


def _run_epoch(
    batches: Iterator[PairBatch],
    scores: Callable[[PairBatch], Tensor],
    optimizer: torch.optim.Optimizer,
) -> float:
    """Take one optimiser step a batch; return the mean loss over batches with any pair."""
    losses = []
    for batch in batches:
        if not len(batch.target):
            continue  # every pair was tied
        quality = scores(batch)
        probability = thurstone(quality[batch.first], quality[batch.second])
        loss = fidelity_loss(probability, batch.target.to(quality.device)).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return float(np.mean(losses)) if losses else float("nan")


def _mean_srcc(results: list[tuple[Tensor, Tensor]]) -> float:
    """Average the SRCC over tasks; NaN where learning has diverged to scores without value."""
    if not all(bool(scores.isfinite().all()) for scores, _ in results):
        return float("nan")
    return float(np.mean([srcc(scores.numpy(), mos.numpy()) for scores, mos in results]))


def _snapshot(modules: list[nn.Module]) -> list[dict[str, Tensor]]:
    return [copy.deepcopy(module.state_dict()) for module in modules]

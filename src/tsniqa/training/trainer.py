"""Learning in two steps: the head alone, then head and network on images.

As in the paper, the head is warmed up with everything else fixed; then head and
normalization are trained together. Both minimise the fidelity loss on pairs of one task.
"""

import copy
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, NamedTuple, Protocol

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from tsniqa.data.images import ImageSet, random_crop
from tsniqa.metrics import srcc
from tsniqa.model.backbone import Backbone
from tsniqa.model.fidelity import fidelity_loss, thurstone
from tsniqa.model.heads import LinearHead
from tsniqa.model.normalization import use_batch_statistics
from tsniqa.scoring.features import image_features
from tsniqa.training.pairs import PairBatch, drawn_epoch, in_batch_epoch
from tsniqa.training.schedules import HeadStep, ImageStep


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


class ExtraLoss(Protocol):
    """What a strategy adds to the loss of step two."""

    def __call__(
        self, batch: PairBatch, inputs: Tensor, features: Tensor, task_loss: Tensor
    ) -> Tensor:
        """Return what is added to one batch's loss.

        Args:
            batch: The pairs, positions within the batch.
            inputs: The batch's preprocessed crops [B, 3, H, W].
            features: The present network's features [B, C] of them, with gradient.
            task_loss: The fidelity loss of the batch, with gradient.
        """

    def after_step(self) -> None:
        """Do what has to follow the optimiser's step."""


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

    def loss(batch: PairBatch) -> Tensor:
        return batch_loss(head(train[batch.source].features[batch.indices]), batch)

    def validate() -> float:
        with torch.inference_mode():
            return mean_srcc([(head.score(v.features), v.mos) for v in validation])

    groups = [{"params": list(head.parameters()), "lr": step.learning_rate}]
    return learn_epochs("head", step, groups, train, seed, loss, validate, [head])


def learn_images(
    backbone: Backbone,
    heads: LinearHead | Sequence[LinearHead],
    parameters: Sequence[nn.Parameter],
    train: Sequence[LabelledImages],
    validation: Sequence[LabelledImages],
    step: ImageStep,
    seed: int,
    name: Literal["head", "images"] = "images",
    extra: ExtraLoss | None = None,
) -> list[Epoch]:
    """Train heads and some parameters of the network; leave all at their best validation SRCC.

    Args:
        backbone: Changed in place: the given parameters, and running statistics if the step says
            so. On return it is in evaluation mode with every parameter frozen.
        heads: Changed in place; on the CPU before and after. One for all tasks, or one for each
            entry of ``train``.
        parameters: The network's parameters to train: normalization for TSN, all for fine-tuning,
            none for step one.
        train: One entry a task; pairs never cross tasks.
        validation: One entry a task, the first tasks of ``train``.
        step: The schedule.
        seed: Everything random comes from it.
        name: What the history calls these epochs.
        extra: Added to the loss of every batch, or None.

    Returns:
        The history of epochs.
    """
    device = backbone.device
    crops = torch.Generator().manual_seed(seed + 1)
    batch_statistics = step.statistics == "batch"
    own = [heads] * len(train) if isinstance(heads, LinearHead) else list(heads)
    trained = list(dict.fromkeys(own))

    def loss(batch: PairBatch) -> Tensor:
        images = train[batch.source].images
        cropped = [random_crop(images[i], step.crop, crops) for i in batch.indices.tolist()]
        inputs = backbone.preprocess(torch.stack(cropped))
        use_batch_statistics(backbone.network, batch_statistics)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            features = backbone.features(inputs).head.float()
        task_loss = batch_loss(own[batch.source](features), batch)
        return task_loss if extra is None else task_loss + extra(batch, inputs, features, task_loss)

    def validate() -> float:
        backbone.eval()
        weights = [copy.deepcopy(head).cpu() for head in own[: len(validation)]]
        with torch.inference_mode():
            return mean_srcc(
                [
                    (weight.score(image_features(backbone, v.images).head), v.mos)
                    for weight, v in zip(weights, validation, strict=True)
                ]
            )

    groups = [
        {"params": list(parameters), "lr": step.learning_rate},
        {"params": [head.weight for head in trained], "lr": step.head_learning_rate},
    ]
    for parameter in parameters:
        parameter.requires_grad_(True)
    for head in trained:
        head.to(device)
    after_step = None if extra is None else extra.after_step
    modules = [backbone.network, *trained]
    try:
        return learn_epochs(name, step, groups, train, seed, loss, validate, modules, after_step)
    finally:
        backbone.eval().requires_grad_(False)
        for head in trained:
            head.cpu()


def batch_loss(quality: Tensor, batch: PairBatch) -> Tensor:
    """Return the mean fidelity loss of a batch's pairs.

    Args:
        quality: Learning-time quality [B] of the batch's images.
        batch: The pairs.
    """
    probability = thurstone(quality[batch.first], quality[batch.second])
    return fidelity_loss(probability, batch.target.to(quality.device)).mean()


def learn_epochs(
    name: Literal["head", "images"],
    step: HeadStep,
    groups: list[dict],
    train: Sequence[LabelledFeatures] | Sequence[LabelledImages],
    seed: int,
    loss: Callable[[PairBatch], Tensor],
    validate: Callable[[], float],
    modules: list[nn.Module],
    after_step: Callable[[], None] | None = None,
) -> list[Epoch]:
    """Run the epochs of one step and restore the best state of the modules.

    Args:
        name: What the history calls these epochs.
        step: The schedule.
        groups: Adam's parameter groups.
        train: One entry a task.
        seed: Order and composition of batches come from it.
        loss: Computes the loss of a batch, with gradient.
        validate: Computes the validation SRCC of the present state.
        modules: Whose best state is restored.
        after_step: Called after every step of the optimiser, or None.

    Returns:
        The history of epochs, the first being the state before any.
    """
    optimizer = torch.optim.Adam(groups, weight_decay=step.weight_decay)
    decay = torch.optim.lr_scheduler.StepLR(optimizer, step.decay_every, gamma=0.1)
    generator = torch.Generator().manual_seed(seed)
    history = [Epoch(step=name, epoch=0, loss=None, validation_srcc=validate(), seconds=0.0)]
    best, states = history[0].validation_srcc, _snapshot(modules)
    for number in range(1, step.epochs + 1):
        start = time.perf_counter()
        mean_loss = _run_epoch(_batches(train, step, generator), loss, optimizer, after_step)
        decay.step()
        quality = validate()
        if quality > best or (np.isnan(best) and not np.isnan(quality)):
            best, states = quality, _snapshot(modules)
        seconds = time.perf_counter() - start
        history.append(
            Epoch(step=name, epoch=number, loss=mean_loss, validation_srcc=quality, seconds=seconds)
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
    loss: Callable[[PairBatch], Tensor],
    optimizer: torch.optim.Optimizer,
    after_step: Callable[[], None] | None,
) -> float:
    """Take one optimiser step a batch; return the mean loss over batches with any pair."""
    losses = []
    for batch in batches:
        if not len(batch.target):
            continue  # every pair was tied
        value = loss(batch)
        optimizer.zero_grad(set_to_none=True)
        value.backward()
        optimizer.step()
        if after_step is not None:
            after_step()
        losses.append(value.item())
    return float(np.mean(losses)) if losses else float("nan")


def mean_srcc(results: list[tuple[Tensor, Tensor]]) -> float:
    """Average the SRCC over tasks; NaN where learning has diverged to scores without value.

    Args:
        results: Scores and opinion scores of every task.
    """
    if not all(bool(scores.isfinite().all()) for scores, _ in results):
        return float("nan")
    return float(np.mean([srcc(scores.numpy(), mos.numpy()) for scores, mos in results]))


def _snapshot(modules: list[nn.Module]) -> list[dict[str, Tensor]]:
    return [copy.deepcopy(module.state_dict()) for module in modules]

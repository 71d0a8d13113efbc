"""One loop for everything that is learned by gradients: pairs of one task at a time, Adam, epochs.

Which images, which parameters and which loss are the strategy's choice.
"""

import copy
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, NamedTuple

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from tsniqa.data.images import random_crop
from tsniqa.metrics import srcc
from tsniqa.model.backbone import Backbone
from tsniqa.model.fidelity import fidelity_loss, thurstone
from tsniqa.model.heads import LinearHead
from tsniqa.model.normalization import use_batch_statistics
from tsniqa.scoring.features import image_features
from tsniqa.training.context import LabelledImages
from tsniqa.training.pairs import PairBatch, epoch_of_pairs
from tsniqa.training.schedules import FinetuneSchedule, HeadSchedule

Step = Literal["head", "images"]


class Epoch(BaseModel):
    """What one epoch came to; epoch 0 is the state before the first."""

    model_config = ConfigDict(ser_json_inf_nan="constants")

    step: Step
    epoch: int
    loss: float | None
    validation_srcc: float  # NaN where all scores are equal or some are no numbers
    seconds: float


class Source(NamedTuple):
    """Images to learn from, and the head that scores them; pairs never cross sources."""

    images: LabelledImages
    head: LinearHead  # sources may share it
    features: Tensor | None = None  # [n, C], if the network stays as it is


class Batch(NamedTuple):
    """A batch of one source, as losses see it."""

    pairs: PairBatch
    head: LinearHead  # the source's
    inputs: Tensor | None  # preprocessed crops [B, 3, H, W], unless features were computed before
    features: Tensor  # [B, C], of the present network, with gradient


def pair_loss(batch: Batch) -> Tensor:
    """Return the mean fidelity loss of a batch's pairs under its head."""
    return quality_loss(batch.head(batch.features), batch.pairs)


def quality_loss(quality: Tensor, pairs: PairBatch) -> Tensor:
    """Return the mean fidelity loss of pairs, by the learning-time quality [B] of their images."""
    probability = thurstone(quality[pairs.first], quality[pairs.second])
    return fidelity_loss(probability, pairs.target.to(quality.device)).mean()


def fit(
    step: Step,
    schedule: HeadSchedule,
    backbone: Backbone,
    train: Sequence[Source],
    validation: Sequence[Source],
    seed: int,
    parameters: Sequence[nn.Parameter] = (),
    companions: Sequence[tuple[nn.Module, float]] = (),
    loss: Callable[[Batch], Tensor] = pair_loss,
    after_step: Callable[[], None] | None = None,
) -> list[Epoch]:
    """Run the epochs of one step, and leave everything that learns in the state that is kept.

    Args:
        step: What the history calls these epochs.
        schedule: On crops if it gives their size, else on the sources' features.
        backbone: Changed in place: the given parameters, and running statistics if the schedule
            says so. On return it is in evaluation mode with every parameter frozen.
        train: What to learn from; the heads are changed in place, on the CPU before and after.
        validation: What the SRCC is measured on, averaged over sources.
        seed: Everything random comes from it.
        parameters: The network's parameters to train.
        companions: Further modules that learn along, each with its initial rate.
        loss: Of one batch, with gradient.
        after_step: Called after every step of the optimiser.

    Returns:
        The history of epochs, the first being the state before any.
    """
    on_crops = isinstance(schedule, FinetuneSchedule)
    heads = list(dict.fromkeys(source.head for source in train))
    learners = [*heads, *(module for module, _ in companions)]
    kept = [backbone.network, *learners] if on_crops else learners
    rate = schedule.head_learning_rate if on_crops else schedule.learning_rate
    groups = [
        {"params": list(parameters), "lr": schedule.learning_rate},
        {"params": [head.weight for head in heads], "lr": rate},
        *({"params": list(module.parameters()), "lr": own} for module, own in companions),
    ]
    order, crops = (torch.Generator().manual_seed(seed + shift) for shift in (0, 1))
    images = [source.images for source in train]

    def batch_of(pairs: PairBatch) -> Batch:
        source = train[pairs.source]
        if not on_crops:
            return Batch(pairs, source.head, None, source.features[pairs.indices])
        cropped = random_crops(source, pairs, schedule.crop, crops)
        return read_crops(backbone, source, pairs, cropped, schedule.statistics)

    for parameter in parameters:
        parameter.requires_grad_(True)
    for module in learners:
        module.to(backbone.device if on_crops else "cpu")
    optimizer = torch.optim.Adam(groups, weight_decay=schedule.weight_decay)
    decay = torch.optim.lr_scheduler.StepLR(optimizer, schedule.decay_every, gamma=0.1)
    try:
        best = validation_srcc(backbone, validation)
        states = [copy.deepcopy(module.state_dict()) for module in kept]
        history = [Epoch(step=step, epoch=0, loss=None, validation_srcc=best, seconds=0.0)]
        for number in range(1, schedule.epochs + 1):
            start = time.perf_counter()
            batches = map(batch_of, epoch_of_pairs(images, schedule, order))
            mean = _descend(optimizer, batches, loss, after_step)
            decay.step()
            new = validation_srcc(backbone, validation)
            if new > best or (np.isnan(best) and not np.isnan(new)) or schedule.keep == "last":
                best, states = new, [copy.deepcopy(module.state_dict()) for module in kept]
            seconds = time.perf_counter() - start
            history.append(
                Epoch(step=step, epoch=number, loss=mean, validation_srcc=new, seconds=seconds)
            )
        for module, state in zip(kept, states, strict=True):
            module.load_state_dict(state)
        return history
    finally:
        backbone.eval().requires_grad_(False)
        for module in learners:
            module.cpu()


def _descend(
    optimizer: torch.optim.Optimizer,
    batches: Iterable[Batch],
    loss: Callable[[Batch], Tensor],
    after_step: Callable[[], None] | None,
) -> float:
    """Make one step a batch, and return the mean loss; NaN without batches."""
    losses = []
    for batch in batches:
        value = loss(batch)
        optimizer.zero_grad(set_to_none=True)
        value.backward()
        optimizer.step()
        if after_step is not None:
            after_step()
        losses.append(value.item())
    return float(np.mean(losses or [np.nan]))


def random_crops(source: Source, pairs: PairBatch, size: int, generator: torch.Generator) -> Tensor:
    """Return one random crop, uint8 [B, 3, size, size], of every image of a batch."""
    images = source.images.images
    return torch.stack([random_crop(images[i], size, generator) for i in pairs.indices.tolist()])


def read_crops(
    backbone: Backbone, source: Source, pairs: PairBatch, crops: Tensor, statistics: str
) -> Batch:
    """Pass crops [B, 3, H, W] through the network, as a schedule's ``statistics`` say."""
    device = backbone.device.type
    inputs = backbone.preprocess(crops)
    use_batch_statistics(backbone.network, statistics == "batch")
    with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
        features = backbone(inputs).head.float()
    return Batch(pairs, source.head, inputs, features)


def validation_srcc(backbone: Backbone, sources: Sequence[Source]) -> float:
    """Average the SRCC over sources; NaN where learning has diverged to scores without value."""
    backbone.eval()
    found = []
    for images, head, features in sources:
        if features is None:
            features = image_features(backbone, images.images).head
        with torch.inference_mode():
            scores = copy.deepcopy(head).cpu().score(features)
        if not scores.isfinite().all():
            return float("nan")
        found.append(srcc(scores.numpy(), images.mos.numpy()))
    return float(np.mean(found))

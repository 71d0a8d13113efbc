"""One loop for everything that is learned by gradients: pairs of one task at a time, Adam, epochs.

Which images, which parameters and which loss are the strategy's choice.
"""

import copy
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, NamedTuple

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from tsniqa.data.images import random_crops
from tsniqa.metrics import srcc
from tsniqa.model.backbone import Backbone
from tsniqa.model.fidelity import fidelity_loss, thurstone
from tsniqa.model.heads import LinearHead
from tsniqa.model.normalization import use_batch_statistics
from tsniqa.scoring.features import image_features
from tsniqa.training.context import LabelledImages
from tsniqa.training.pairs import PairBatch, epochs_of_pairs
from tsniqa.training.schedules import FinetuneSchedule, HeadSchedule, Released

Step = Literal["head", "images"]


class Epoch(BaseModel):
    """What one epoch came to; epoch 0 is the state before the first.

    Validation images choose nothing here, so they are scored before and after a step alone.
    """

    model_config = ConfigDict(extra="forbid", ser_json_inf_nan="constants")

    step: Step
    epoch: int
    loss: float | None
    validation_srcc: float  # NaN where not measured, or where it has no value


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
    epoch: int = 0  # in which it is seen


def pair_loss(batch: Batch) -> Tensor:
    """Return the mean fidelity loss of a batch's pairs under its head."""
    return quality_loss(batch.head(batch.features), batch.pairs)


def quality_loss(quality: Tensor, pairs: PairBatch) -> Tensor:
    """Return the mean fidelity loss of pairs, by the learning-time quality [B] of their images."""
    probability = thurstone(quality[pairs.first], quality[pairs.second])
    return fidelity_loss(probability, pairs.target.to(quality.device)).mean()


class Learning(NamedTuple):
    """What learns in a step beside the heads of its sources, and how.

    Attributes:
        parameters: The network's parameters to train.
        companions: Further modules that learn along, each with its initial rate.
        loss: Of one batch, with gradient.
        after_step: Called after every step of the optimiser.
        head_decay: The heads' L2 penalty, or None for the schedule's.
        adam: Adam's state of some heads, by their weight, to go on from; what is reached is put
            there. None starts and leaves nothing.
        released: Habits of the released code.
        pairs_seed: Of pairs that stay the same, see :class:`.Released`.
    """

    parameters: Sequence[nn.Parameter] = ()
    companions: Sequence[tuple[nn.Module, float]] = ()
    loss: Callable[[Batch], Tensor] = pair_loss
    after_step: Callable[[], None] | None = None
    head_decay: float | None = None
    adam: dict[nn.Parameter, dict] | None = None
    released: Released = Released()
    pairs_seed: int = 0


def fit(
    step: Step,
    schedule: HeadSchedule,
    backbone: Backbone,
    train: Sequence[Source],
    validation: Sequence[Source],
    seed: int,
    learning: Learning = Learning(),  # noqa: B008 (immutable)
) -> list[Epoch]:
    """Run the epochs of one step; whatever learns is left as the last step has it.

    Args:
        step: What the history calls these epochs.
        schedule: On crops if it gives their size, else on the sources' features.
        backbone: Changed in place: the given parameters, and running statistics if the schedule
            says so. On return it is in evaluation mode with every parameter frozen.
        train: What to learn from; the heads are changed in place, on the CPU before and after.
        validation: What the SRCC before and after is measured on, averaged over sources.
        seed: Everything random comes from it.
        learning: What else learns, and how.

    Returns:
        The history of epochs, the first being the state before any.
    """
    on_crops = isinstance(schedule, FinetuneSchedule)
    heads = list(dict.fromkeys(source.head for source in train))
    learners = [*heads, *(module for module, _ in learning.companions)]
    for parameter in learning.parameters:
        parameter.requires_grad_(True)
    for module in learners:
        module.to(backbone.device if on_crops else "cpu")
    optimizer = _adam(schedule, heads, learning)
    decay = torch.optim.lr_scheduler.StepLR(optimizer, schedule.decay_every, gamma=0.1)
    order, crops = (torch.Generator().manual_seed(seed + shift) for shift in (0, 1))
    images, habits = [one.images for one in train], learning.released
    epochs = epochs_of_pairs(images, schedule, order, habits, learning.pairs_seed)
    try:
        history = [_epoch(step, 0, None, backbone, validation)]
        for number in range(1, schedule.epochs + 1):

            def batch_of(pairs: PairBatch, epoch: int = number) -> Batch:
                source = train[pairs.source]
                if not on_crops:
                    return Batch(pairs, source.head, None, source.features[pairs.indices])
                return read_crops(
                    backbone, source, pairs, schedule, epoch, crops, learning.released.two_forwards
                )

            mean = _descend(optimizer, map(batch_of, next(epochs)), learning)
            decay.step()
            judged = validation if number == schedule.epochs else ()
            history.append(_epoch(step, number, mean, backbone, judged))
        if learning.adam is not None:
            learning.adam.update({head.weight: optimizer.state[head.weight] for head in heads})
        return history
    finally:
        backbone.eval().requires_grad_(False)
        for module in learners:
            module.cpu()


def _adam(
    schedule: HeadSchedule, heads: Sequence[LinearHead], learning: Learning
) -> torch.optim.Adam:
    """Set Adam up with every rate and penalty, and with the state to go on from."""
    on_crops = isinstance(schedule, FinetuneSchedule)
    decay = schedule.weight_decay
    own = decay if learning.head_decay is None else learning.head_decay
    rate = schedule.head_learning_rate if on_crops else schedule.learning_rate
    weights = [head.weight for head in heads]
    optimizer = torch.optim.Adam(
        [
            {"params": list(learning.parameters), "lr": schedule.learning_rate},
            {"params": weights, "lr": rate, "weight_decay": own},
            *({"params": list(module.parameters()), "lr": r} for module, r in learning.companions),
        ],
        weight_decay=own if not on_crops else decay,
    )
    for weight in weights:
        if weight in (learning.adam or {}):
            known = copy.deepcopy(learning.adam[weight])
            optimizer.state[weight] = {k: v.to(weight) if v.ndim else v for k, v in known.items()}
    return optimizer


def _epoch(
    step: Step, number: int, loss: float | None, backbone: Backbone, validation: Sequence[Source]
) -> Epoch:
    quality = validation_srcc(backbone, validation) if validation else float("nan")
    return Epoch(step=step, epoch=number, loss=loss, validation_srcc=quality)


def _descend(
    optimizer: torch.optim.Optimizer, batches: Iterable[Batch], learning: Learning
) -> float:
    """Make one step a batch, and return the mean loss; NaN without batches."""
    losses = []
    for batch in batches:
        value = learning.loss(batch)
        optimizer.zero_grad(set_to_none=True)
        value.backward()
        optimizer.step()
        if learning.after_step is not None:
            learning.after_step()
        losses.append(value.detach())
    return float(torch.stack(losses).double().mean()) if losses else float("nan")


def read_crops(
    backbone: Backbone,
    source: Source,
    pairs: PairBatch,
    schedule: FinetuneSchedule,
    epoch: int,
    generator: torch.Generator,
    two_forwards: bool = False,
) -> Batch:
    """Cut a random crop of every image of a batch, and pass them through the network.

    Args:
        backbone: The network.
        source: The batch's.
        pairs: Which of its images.
        schedule: Gives the crops' size, and whether to standardise by the batch.
        epoch: Number of the epoch, from 1, which the latter may depend on.
        generator: Of the crops.
        two_forwards: See :class:`.Released`.
    """
    crops = random_crops(source.images.images, pairs.indices.tolist(), schedule.crop, generator)
    inputs = backbone.preprocess(crops)
    use_batch_statistics(backbone.network, schedule.uses_batch_statistics(epoch))
    halves = inputs.tensor_split(2) if two_forwards else [inputs]
    features = torch.cat([crop_features(backbone, part) for part in halves])
    return Batch(pairs, source.head, inputs, features, epoch)


def crop_features(backbone: Backbone, inputs: Tensor) -> Tensor:
    """Return the head's feature [B, C], float32, of preprocessed crops; on a GPU in bfloat16."""
    device = inputs.device.type
    with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
        return backbone(inputs).head.float()


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

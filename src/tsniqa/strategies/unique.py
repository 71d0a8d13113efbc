"""UNIQUE: joint learning from probabilities, with an uncertainty for every image.

Source: Zhang, Ma, Zhai and Yang, IEEE TIP 30, 2021 (arXiv 2005.13983), with the values of the
authors' released code. It learns how probably one image is better, from the standard deviations of
the opinion scores, and predicts how sure it is. One linear map of the pooled feature stands in for
the code's bilinear pooling, and ties are left out where batches compare all images.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import relu, softplus

from tsniqa.data.task import Task
from tsniqa.model.fidelity import fidelity_loss
from tsniqa.model.heads import LinearHead
from tsniqa.model.tsniqa import SHARED
from tsniqa.strategies.base import ParameterCount, numbers
from tsniqa.strategies.joint import Joint
from tsniqa.strategies.sequential import TrainVal
from tsniqa.training.context import TrainingContext
from tsniqa.training.pairs import PairBatch
from tsniqa.training.trainer import Batch

MARGIN = 0.025  # by how much predicted standard deviations shall differ where human ones do
RATE = 1e-4  # Adam's, as released; at a head's larger one the hinge drives all deviations to 0
UNPUBLISHED = 0.5 / 4  # deviation where none is given: half a point on a scale from 1 to 5


class Opinions(NamedTuple):
    """Mean and standard deviation of every image's ratings, float64 [n], in the task's units."""

    mos: Tensor
    std: Tensor


class Uncertainty(LinearHead):
    """Predict the standard deviation of an image's quality: softplus of an affine map."""

    def __init__(self, width: int, generator: torch.Generator) -> None:
        super().__init__(width, generator)
        self.bias = nn.Parameter(torch.zeros(()))

    def forward(self, features: Tensor) -> Tensor:
        """Return standard deviations [N] of features [N, C]."""
        return softplus(super().forward(features) + self.bias)


class Unique(Joint):
    """Fit one network, one head and an uncertainty head, which scoring ignores, to all tasks.

    The head's L2 penalty is chosen by the plain pair loss, as for every other strategy.
    """

    name = "unique"
    default_weight = 1.0  # factor of the hinge loss, as released

    def __init__(self, context: TrainingContext) -> None:
        super().__init__(context)
        generator = torch.Generator().manual_seed(context.seed_for(SHARED, "uncertainty"))
        self.uncertainty = Uncertainty(context.backbone.head_width, generator)

    def companions(self) -> list[tuple[nn.Module, float]]:
        """Let the uncertainty learn along at its own rate."""
        return [(self.uncertainty, RATE)]

    def lessons(self, task: Task, seen: Sequence[Task], head: LinearHead) -> TrainVal:
        """Return all tasks, whose opinions the loss needs whole."""
        both = super().lessons(task, seen, head)
        self.opinions = [opinions_of(lesson.task) for lesson in both[0]]
        return both

    def task_loss(self, batch: Batch) -> Tensor:
        """Return fidelity and hinge of a batch's pairs."""
        pairs = batch.pairs
        own = Opinions(*(values[pairs.indices] for values in self.opinions[pairs.source]))
        mean, std = batch.head(batch.features), self.uncertainty(batch.features)
        return unique_loss(mean, std, own, pairs, self.weight)

    def parameters(self) -> ParameterCount:
        """Count the uncertainty's values among those that are trained."""
        joint, own = super().parameters(), numbers(self.uncertainty.parameters())
        return joint.model_copy(update={"learnable_per_task": joint.learnable_per_task + own})


def opinions_of(task: Task) -> Opinions:
    """Return the opinions on a task's training images."""
    low, high = task.mos_range
    std = task.part("train")["std"].to_numpy(dtype=np.float64)
    std = np.where(np.isnan(std), UNPUBLISHED * (high - low), std)
    return Opinions(torch.tensor(task.mos("train")), torch.tensor(std))


def preference(difference: Tensor, first: Tensor, second: Tensor, epsilon: float) -> Tensor:
    """Return Phi(difference / sqrt(first^2 + second^2 + epsilon)) [P]: how probably x is better."""
    spread = torch.sqrt(first**2 + second**2 + epsilon)
    return 0.5 * torch.erfc(-difference / (spread * 2**0.5))


def unique_loss(
    mean: Tensor, std: Tensor, opinions: Opinions, batch: PairBatch, weight: float = 1.0
) -> Tensor:
    """Return the mean loss of a batch's pairs: fidelity, and a hinge on the uncertainties.

    As released, fidelity does not train the uncertainties, and the hinge
    max(0, margin - sign(human x - human y) (predicted x - predicted y)) has no gradient where the
    human deviations are equal, as where none are published.

    Args:
        mean: Predicted qualities [B].
        std: Their predicted standard deviations [B].
        opinions: The human ones [B].
        batch: The pairs; its binary targets are not used.
        weight: Factor of the hinge.
    """
    x, y = batch.first, batch.second
    (mos, human), own = opinions, std.detach()
    target = preference(mos[x] - mos[y], human[x], human[y], 1e-30)
    predicted = preference(mean[x] - mean[y], own[x], own[y], 1e-8)
    fidelity = fidelity_loss(predicted, target.to(mean))
    order = torch.sign(human[x] - human[y]).to(std)
    hinge = relu(MARGIN - order * (std[x] - std[y]))
    return fidelity.mean() + weight * hinge.mean()

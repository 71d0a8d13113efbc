"""Regularisation by importance: what earlier tasks need of the network moves only at a price.

Each parameter theta_k has an importance Omega_k, summed over the tasks; in a later task's step two

    weight x sum_k Omega_k (theta_k - theta*_k)^2

is added to its loss, where theta* are the parameters that the last task left (Zhang et al., IEEE
TPAMI 2023, arXiv 2102.09717, released code, ``online_reg``, with which the importance "released"
and the default weights go; the pairs of one epoch stand for its list of all training pairs). Gamma
and beta of normalization count, running statistics and heads not. Omega is one vector [P], in the
network's order of parameters.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from tsniqa.data.images import random_crops
from tsniqa.data.task import Task
from tsniqa.model.heads import LinearHead
from tsniqa.strategies.multihead import MultiHead
from tsniqa.training.pairs import PairBatch, epochs_of_pairs
from tsniqa.training.trainer import Batch


class PairGradients(NamedTuple):
    """Gradients of a function f(q_i - q_j) for the n pairs of a batch, by those of its images.

    A pair's gradient is its slope times (that of the first - that of the second image).
    """

    pairs: PairBatch
    slopes: Tensor  # f' [n] at the pairs' differences
    images: Sequence[Tensor]  # the gradient of the quality [P] of every image of the batch

    def one_by_one(self) -> Iterator[Tensor]:
        """Yield the gradient [P] of every pair."""
        for slope, i, j in zip(self.slopes, self.pairs.first, self.pairs.second, strict=True):
            yield slope * (self.images[i] - self.images[j])


class Regularized(MultiHead):
    """Multi-head fine-tuning held back by an importance of parameters."""

    def importance_of(self, task: Task, head: LinearHead) -> Tensor:
        """Return the importance [P] of every parameter for a task that has just been learned."""
        raise NotImplementedError

    @property
    def theta(self) -> Tensor:
        """The network's parameters [P] as they are now; gradients pass."""
        return flat(self.backbone.network.parameters())

    @property
    def importance(self) -> Tensor:
        """Omega [P], zeros before the first task."""
        known = self.carried.get("importance")
        return torch.zeros_like(self.theta) if known is None else known

    def before_task(self, task: Task, seen: Sequence[Task]) -> None:
        """Note theta* [P], the parameters that the last task left."""
        self.start_at = self.theta.detach()

    def extra_loss(self, batch: Batch, task_loss: Tensor) -> Tensor | None:
        """Return weight x sum of Omega (theta - theta*)^2; the first task has no penalty."""
        if not self.model.tasks:
            return None
        return self.weight * (self.importance * (self.theta - self.start_at) ** 2).sum()

    def after_task(self, task: Task, head: LinearHead) -> None:
        """Add the task's importance to that of the tasks before it."""
        self.carried["importance"] = self.importance + self.importance_of(task, head)

    def image_gradients(
        self, task: Task, head: LinearHead, indices: Iterable[int], generator: torch.Generator
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the quality of single training images, on random crops, and its gradient [P]."""
        backbone, crop = self.backbone, self.finetune_schedule().crop
        images = self.context.images(task, "train").images
        weight = head.weight.detach().to(backbone.device)
        parameters = list(backbone.network.parameters())
        for index in indices:
            inputs = backbone.preprocess(random_crops(images, [index], crop, generator))
            backbone.requires_grad_(True)
            quality = backbone(inputs).head[0] @ weight
            own = torch.autograd.grad(quality, parameters, materialize_grads=True)
            backbone.requires_grad_(False)
            yield quality.detach(), flat(own)

    def pair_gradients(
        self, task: Task, head: LinearHead, function: Callable[[Tensor, Tensor], Tensor]
    ) -> Iterator[PairGradients]:
        """Yield the gradients of a function of each pair of one epoch of step two, in batches.

        The function f takes differences of quality d = q_i - q_j [n] and targets [n]; its gradient
        is f'(d) (grad q_i - grad q_j), so each image of a batch is differentiated only once.
        """
        seed = self.context.seed_for(task.name, "importance")
        order, crops = (torch.Generator().manual_seed(seed + shift) for shift in (0, 1))
        train, released = [self.context.images(task, "train")], self.context.schedule.released
        listed = self.context.seed_for(task.name, "pairs")
        schedule = self.finetune_schedule()
        for pairs in next(epochs_of_pairs(train, schedule, order, released, listed)):
            visited = self.image_gradients(task, head, pairs.indices.tolist(), crops)
            qualities, gradients = zip(*visited, strict=True)
            quality = torch.stack(qualities)
            difference = (quality[pairs.first] - quality[pairs.second]).requires_grad_()
            value = function(difference, pairs.target.to(quality.device)).sum()
            (slopes,) = torch.autograd.grad(value, difference)
            yield PairGradients(pairs, slopes, gradients)


def flat(tensors: Iterable[Tensor]) -> Tensor:
    """Join tensors of any shapes into one vector; gradients pass."""
    return torch.cat([tensor.reshape(-1) for tensor in tensors])


def mean_of(vectors: Iterable[Tensor], like: Tensor) -> Tensor:
    """Average vectors [P] in double precision; zeros in the type of ``like`` if there are none."""
    total, count = torch.zeros_like(like, dtype=torch.float64), 0
    for vector in vectors:
        total += vector
        count += 1
    return (total / max(count, 1)).to(like.dtype)

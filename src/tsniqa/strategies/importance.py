"""Regularisation by importance: what earlier tasks need of the network moves only at a price.

What EWC, SI and MAS share. After every task each parameter theta_k of the network is given an
importance Omega_k, summed online over the tasks; while a later task is learned,

    weight x sum_k Omega_k (theta_k - theta*_k)^2

is added to its loss, where theta* are the parameters that the last task left (as in the authors'
released code of arXiv 2102.09717, ``online_reg``; there is no factor 1/2, so a published
lambda/2 is the weight here). Old heads are not regularised: they stay as they were learned.

All parameters of the network count, gamma and beta of normalization included; running statistics
are no parameters and not held. One value a parameter is kept in one flat vector [P], in the
network's own order of parameters.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from tsniqa.data.images import random_crop
from tsniqa.data.task import Task
from tsniqa.model.backbone import Backbone
from tsniqa.model.heads import LinearHead
from tsniqa.strategies.multihead import MultiHead
from tsniqa.training.context import Setting
from tsniqa.training.pairs import PairBatch, drawn_epoch, in_batch_epoch
from tsniqa.training.schedules import ImageStep
from tsniqa.training.trainer import ExtraLoss, LabelledImages


class QuadraticPenalty:
    """The penalty as an extra loss; zero, with a gradient of zero, where it starts.

    Attributes:
        parameters: Those of the network, live.
        importance: Omega [P].
        weight: What multiplies the sum.
        start: theta* [P], the parameters when the penalty was made. Step one leaves the network
            alone, so they are what the last task left.
    """

    def __init__(
        self, parameters: Iterable[nn.Parameter], importance: Tensor, weight: float
    ) -> None:
        self.parameters = list(parameters)
        self.importance = importance
        self.weight = weight
        self.start = flat(self.parameters).detach()

    def __call__(
        self, batch: PairBatch, inputs: Tensor, features: Tensor, task_loss: Tensor
    ) -> Tensor:
        """Return the penalty at the present parameters."""
        return self.weight * (self.importance * (flat(self.parameters) - self.start) ** 2).sum()

    def after_step(self) -> None:
        """Do nothing."""


class Regularized(MultiHead):
    """Multi-head fine-tuning held back by an importance of parameters.

    Attributes:
        importance: Omega [P], zeros before the first task.
    """

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.weight = setting.weight_or(self.default_weight)
        self.importance = torch.zeros_like(flat(self.backbone.network.parameters()))

    def importance_of(self, task: Task, head: LinearHead) -> Tensor:
        """Return the importance [P] of every parameter for a task that has just been learned."""
        raise NotImplementedError

    def extra_loss(self, task: Task, seen: Sequence[Task], head: LinearHead) -> ExtraLoss | None:
        """Return the penalty; the first task has none."""
        return self.penalty() if self.heads_ else None

    def penalty(self) -> QuadraticPenalty:
        """Return the penalty on leaving the present parameters."""
        return QuadraticPenalty(self.backbone.network.parameters(), self.importance, self.weight)

    def consolidate(self, task: Task, head: LinearHead) -> None:
        """Add the task's importance to that of the tasks before it."""
        self.importance = self.importance + self.importance_of(task, head)

    def state(self) -> dict[str, Tensor]:
        """Return what multi-head learning has, and the importance."""
        return super().state() | {"importance": self.importance.to("cpu", copy=True)}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Replace everything learned by what :meth:`state` returned."""
        super().load_state(state)
        self.importance = state["importance"].to(self.backbone.device, copy=True)


def flat(tensors: Iterable[Tensor]) -> Tensor:
    """Join tensors of any shapes into one vector; a copy that passes gradients on."""
    return torch.cat([tensor.reshape(-1) for tensor in tensors])


def mean_of(vectors: Iterable[Tensor], like: Tensor) -> Tensor:
    """Average vectors [P] in double precision; zeros in the type of ``like`` if there are none."""
    total, count = torch.zeros_like(like, dtype=torch.float64), 0
    for vector in vectors:
        total += vector
        count += 1
    return (total / max(count, 1)).to(like.dtype)


def image_gradients(
    backbone: Backbone,
    head: LinearHead,
    train: LabelledImages,
    indices: Iterable[int],
    crop: int,
    generator: torch.Generator,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Differentiate the quality of single images with respect to the network's parameters.

    Args:
        backbone: Frozen and in evaluation mode; it comes back so.
        head: The head that scores, by its raw weight as in learning.
        train: The images.
        indices: Which of them to visit, in this order.
        crop: Side of the random crops, which are what step two sees of an image.
        generator: A CPU generator; the crops come from it alone.

    Yields:
        For each image its quality (a scalar) and the gradient of it [P].
    """
    weight = head.weight.detach().to(backbone.device)
    parameters = list(backbone.network.parameters())
    for index in indices:
        inputs = backbone.preprocess(random_crop(train.images[index], crop, generator)[None])
        backbone.requires_grad_(True)
        try:
            quality = backbone.features(inputs).head[0] @ weight
            own = torch.autograd.grad(
                quality, parameters, allow_unused=True, materialize_grads=True
            )
        finally:
            backbone.requires_grad_(False)
        yield quality.detach(), flat(own)


def pair_gradients(
    backbone: Backbone,
    head: LinearHead,
    train: LabelledImages,
    step: ImageStep,
    seed: int,
    function: Callable[[Tensor, Tensor], Tensor],
) -> Iterator[Tensor]:
    """Differentiate a function of single pairs with respect to the network's parameters.

    A pair (i, j) enters by its difference of quality d = q_i - q_j, so that its gradient is
    f'(d) (grad q_i - grad q_j), and each image of a batch is differentiated only once.

    Args:
        backbone: Frozen and in evaluation mode; it comes back so.
        head: The head that scores.
        train: The images and their opinion scores.
        step: The schedule of step two; the pairs are those of one of its epochs.
        seed: Everything random comes from it.
        function: Takes differences [n] and targets [n], returns values [n].

    Yields:
        The gradient [P] of every pair.
    """
    order, crops = (torch.Generator().manual_seed(seed + shift) for shift in (0, 1))
    if step.pairs is None:
        batches = in_batch_epoch([train.mos], step.batch, order)
    else:
        pairs = [step.pairs_of(train.task) or 0]
        batches = drawn_epoch([train.mos], step.batch, pairs, order)
    for batch in batches:
        visited = image_gradients(backbone, head, train, batch.indices.tolist(), step.crop, crops)
        qualities, gradients = zip(*visited, strict=True)
        quality = torch.stack(qualities)
        difference = (quality[batch.first] - quality[batch.second]).requires_grad_()
        value = function(difference, batch.target.to(quality.device)).sum()
        (slopes,) = torch.autograd.grad(value, difference)
        for slope, i, j in zip(slopes, batch.first.tolist(), batch.second.tolist(), strict=True):
            yield slope * (gradients[i] - gradients[j])

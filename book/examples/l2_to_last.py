"""L2 to last: multi-head fine-tuning that is pulled back to the parameters the last task left.

While a task is learned, weight x sum_k (theta_k - theta*_k)^2 is added to its loss, where theta*
are the parameters that the task before it left. All parameters count alike: this is the baseline
that Kirkpatrick et al., PNAS 114(13), 2017 (arXiv 1612.00796), hold EWC against, and the penalty of
EWC with every importance 1. Heads are not pulled, running statistics neither.
"""

from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor

from tsniqa.data.task import Task
from tsniqa.model.backbone import Backbone
from tsniqa.model.heads import LinearHead
from tsniqa.strategies.multihead import MultiHead
from tsniqa.training.pairs import PairBatch
from tsniqa.training.trainer import ExtraLoss

WEIGHT = 1.0
"""No published value fits this loss; a round number, chosen before any run and not tuned."""


class Pull:
    """weight x the squared distance to the parameters at which the pull was made.

    Attributes:
        parameters: Those of the network, live.
        start: Copies of them as they were.
        weight: What multiplies the squared distance.
    """

    def __init__(self, backbone: Backbone, weight: float) -> None:
        self.parameters = list(backbone.network.parameters())
        self.start = [parameter.detach().clone() for parameter in self.parameters]
        self.weight = weight

    def __call__(
        self, batch: PairBatch, inputs: Tensor, features: Tensor, task_loss: Tensor
    ) -> Tensor:
        """Return the penalty at the present parameters; the batch does not matter."""
        pairs = zip(self.parameters, self.start, strict=True)
        return self.weight * sum(((now - then) ** 2).sum() for now, then in pairs)

    def after_step(self) -> None:
        """Do nothing."""


class L2ToLast(MultiHead):
    """Multi-head fine-tuning under a :class:`Pull`, from the second task on."""

    name: ClassVar[str] = "l2-to-last"
    default_weight: ClassVar[float | None] = WEIGHT

    def extra_loss(self, task: Task, seen: Sequence[Task], head: LinearHead) -> ExtraLoss | None:
        """Return the pull; the first task has none, for nothing has been learned yet."""
        return Pull(self.backbone, self.setting.weight_or(WEIGHT)) if self.heads_ else None

"""L2 to last: multi-head fine-tuning that is pulled back to the parameters the last task left.

While a task is learned, weight x sum_k (theta_k - theta*_k)^2 is added to its loss, where theta*
are the parameters that the task before it left. All parameters count alike: this is the baseline
that Kirkpatrick et al., PNAS 114(13), 2017 (arXiv 1612.00796), hold EWC against, and the penalty of
EWC with every importance 1. Heads are not pulled, running statistics neither.
"""

from collections.abc import Sequence

from torch import Tensor

from tsniqa.data.task import Task
from tsniqa.strategies.multihead import MultiHead
from tsniqa.training.trainer import Batch


class L2ToLast(MultiHead):
    """Multi-head fine-tuning, pulled back from the second task on."""

    name = "l2-to-last"
    default_weight = 1.0  # no published value fits; a round number, chosen before any run

    def before_task(self, task: Task, seen: Sequence[Task]) -> None:
        """Remember the parameters that the last task left."""
        self.left = [parameter.detach().clone() for parameter in self.trained()]

    def extra_loss(self, batch: Batch, task_loss: Tensor) -> Tensor | None:
        """Return the weighted squared distance to them; the first task has nothing to keep."""
        if not self.model.tasks:
            return None
        pairs = zip(self.trained(), self.left, strict=True)
        return self.weight * sum(((now - then) ** 2).sum() for now, then in pairs)

"""SI: synaptic intelligence, by what each parameter's way contributed to the fall of the loss.

Source: Zenke, Poole and Ganguli, ICML 2017 (arXiv 1703.04200); see :mod:`.importance`. Every step
of the optimiser adds -g_k (theta_k after - theta_k before) to the path integral omega_k, where g is
the gradient of a loss before the step. After a task, with D_k the whole way from start to end,

    Omega_k grows by omega_k / (D_k^2 + DAMPING).
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from tsniqa.data.task import Task
from tsniqa.model.heads import LinearHead
from tsniqa.strategies.importance import Regularized, flat
from tsniqa.training.trainer import Batch

DAMPING = 0.1  # xi of the paper: keeps the importance of parameters that hardly moved finite


class SI(Regularized):
    """Hold parameters by their share in what was learned.

    ``context.importance``: ``"derived"`` integrates the task's loss alone, as in the paper, and its
    importance is never below zero, as in its authors' code; ``"released"`` the penalty, too.
    """

    name = "si"
    default_weight = 1_000.0
    path: Tensor | None = None  # omega [P], while a task is learned

    def before_task(self, task: Task, seen: Sequence[Task]) -> None:
        """Start the integral omega [P] at zero."""
        super().before_task(task, seen)
        self.path = torch.zeros_like(self.start_at)

    def extra_loss(self, batch: Batch, task_loss: Tensor) -> Tensor | None:
        """Return the penalty, and remember from where the step starts."""
        self.step_from = self.theta.detach()
        return super().extra_loss(batch, task_loss)

    def after_step(self) -> None:
        """Add the step's contribution to the integral."""
        # Behind the head's feature, if that is of a stage, no gradient arrives.
        parameters = self.backbone.network.parameters()
        gradient = flat(torch.zeros_like(p) if p.grad is None else p.grad for p in parameters)
        if self.context.importance == "derived":  # the task's alone: the penalty's is taken off
            moved = self.step_from - self.start_at
            gradient = gradient - 2 * self.weight * self.importance * moved
        self.path.sub_(gradient * (self.theta.detach() - self.step_from))

    def importance_of(self, task: Task, head: LinearHead) -> Tensor:
        """Return omega / (D^2 + DAMPING) [P]; zeros without step two."""
        path, self.path = self.path, None
        if path is None:
            return torch.zeros_like(self.importance)
        moved = self.theta.detach() - self.start_at
        return path / (moved**2 + DAMPING)

    def after_task(self, task: Task, head: LinearHead) -> None:
        """Add the task's importance; one below zero would reward leaving."""
        super().after_task(task, head)
        if self.context.importance == "derived":
            self.carried["importance"] = self.importance.clamp_min(0)

"""SI: synaptic intelligence, by what each parameter's way contributed to the fall of the loss.

Sources: Zenke, Poole and Ganguli, ICML 2017 (arXiv 1703.04200); as a rival of multi-head learning
in Zhang et al., IEEE TPAMI 2023 (arXiv 2102.09717), whose released code the importance "released"
and the weight follow.

While a task is learned, every step of the optimiser adds -g_k (theta_k after - theta_k before) to
the path integral omega_k, where g is the gradient of a loss before the step. When the task has been
learned, with D_k the whole way from its start to its end,

    Omega_k grows by omega_k / (D_k^2 + DAMPING).

Learning does not end where it stops: the best state on the validation images is restored. D is
therefore taken to the restored parameters, and omega has to be the integral along the way to
them and no further; what came later led elsewhere. So the integral is restored with the network
(the released code keeps it in the checkpoint of the best state, to the same effect). If the best
state is that before the first epoch, both are zero.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from tsniqa.data.task import Task
from tsniqa.model.heads import LinearHead
from tsniqa.strategies.importance import Regularized, flat
from tsniqa.training.trainer import Batch

DAMPING = 0.1
"""Keeps the importance of parameters that hardly moved finite (xi of the paper); as released."""


class PathIntegral(nn.Module):
    """The integral omega [P], as a module, so that it is restored with the network's best state."""

    def __init__(self, like: Tensor) -> None:
        super().__init__()
        self.register_buffer("omega", torch.zeros_like(like))


class SI(Regularized):
    """Hold parameters by their share in what was learned.

    ``context.importance`` chooses the loss that is integrated: ``"derived"`` the task's alone, as
    the paper defines it, with the summed importance kept from falling below zero as the paper's
    authors do in their code; ``"released"`` the penalty included and the sum as it comes.
    """

    name = "si"
    default_weight = 1_000.0  # published for the importance "released"
    path: PathIntegral | None = None

    def companions(self) -> Sequence[tuple[nn.Module, float]]:
        """Let the integral be restored with the network; it has no parameters to train."""
        return [] if self.path is None else [(self.path, 0.0)]

    def before_task(self, task: Task, seen: Sequence[Task]) -> None:
        """Start the integral at zero."""
        super().before_task(task, seen)
        self.path = PathIntegral(self.start_at)

    def extra_loss(self, batch: Batch, task_loss: Tensor) -> Tensor | None:
        """Return the penalty, and remember from where the step starts."""
        self.step_from = self.theta.detach()
        return super().extra_loss(batch, task_loss)

    def after_step(self) -> None:
        """Add the step's contribution to the integral."""
        gradient = flat(parameter.grad for parameter in self.backbone.network.parameters())
        if self.context.importance == "derived":  # the task's alone: the penalty's is taken off
            moved = self.step_from - self.start_at
            gradient = gradient - 2 * self.weight * self.importance * moved
        self.path.omega.sub_(gradient * (self.theta.detach() - self.step_from))

    def importance_of(self, task: Task, head: LinearHead) -> Tensor:
        """Return omega / (D^2 + DAMPING) at the restored state [P]; zeros without step two."""
        path, self.path = self.path, None
        if path is None:
            return torch.zeros_like(self.importance)
        moved = self.theta.detach() - self.start_at
        return path.omega.to(moved.device) / (moved**2 + DAMPING)

    def after_task(self, task: Task, head: LinearHead) -> None:
        """Add the task's importance; one below zero would reward leaving."""
        super().after_task(task, head)
        if self.context.importance == "derived":
            self.carried["importance"] = self.importance.clamp_min(0)

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
them and no further; what came later led elsewhere. The integral is kept as a buffer of the network
for as long as the task is learned, so whatever saves and restores the network's best state does the
same for the integral. (The released code keeps it in the checkpoint of the best state, to the same
effect.) If the best state is that before the first epoch, both are zero.
"""

from collections.abc import Callable, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from tsniqa.data.task import Task
from tsniqa.model.heads import LinearHead
from tsniqa.strategies.importance import QuadraticPenalty, Regularized, flat
from tsniqa.training.pairs import PairBatch
from tsniqa.training.trainer import ExtraLoss

WEIGHT = 1_000.0
"""Published for the importance "released"."""

DAMPING = 0.1
"""Keeps the importance of parameters that hardly moved finite (xi of the paper); as released."""

BUFFER = "path_integral"


class PathIntegral(QuadraticPenalty):
    """The penalty, which also integrates a loss along the way of the parameters.

    Attributes:
        network: Holds the integral omega [P] as the buffer ``path_integral`` until :meth:`close`.
        gradient: Which gradient is integrated: :func:`of_the_task` or :func:`of_the_whole_loss`.
    """

    def __init__(
        self,
        network: nn.Module,
        importance: Tensor,
        weight: float,
        gradient: Callable[["PathIntegral"], Tensor],
    ) -> None:
        super().__init__(network.parameters(), importance, weight)
        self.network = network
        self.gradient = gradient
        self.before = self.start
        network.register_buffer(BUFFER, torch.zeros_like(self.start))

    def __call__(
        self, batch: PairBatch, inputs: Tensor, features: Tensor, task_loss: Tensor
    ) -> Tensor:
        """Return the penalty, and remember from where the step starts."""
        self.before = flat(self.parameters).detach()
        return super().__call__(batch, inputs, features, task_loss)

    def after_step(self) -> None:
        """Add the step's contribution to the integral."""
        moved = flat(self.parameters).detach() - self.before
        self.network.get_buffer(BUFFER).sub_(self.gradient(self) * moved)

    def close(self) -> Tensor:
        """Return omega / (D^2 + DAMPING) at the network's present state and drop the buffer."""
        integral = self.network.get_buffer(BUFFER)
        delattr(self.network, BUFFER)
        moved = flat(self.parameters).detach() - self.start
        return integral / (moved**2 + DAMPING)


def of_the_whole_loss(path: PathIntegral) -> Tensor:
    """Return the gradient [P] that the step followed, the penalty's included (released)."""
    return flat(parameter.grad for parameter in path.parameters)


def of_the_task(path: PathIntegral) -> Tensor:
    """Return the gradient [P] of the task's loss alone: the penalty's is taken off (derived)."""
    penalty = 2 * path.weight * path.importance * (path.before - path.start)
    return of_the_whole_loss(path) - penalty


class SI(Regularized):
    """Hold parameters by their share in what was learned.

    ``setting.importance`` chooses the loss that is integrated: ``"derived"`` the task's alone, as
    the paper defines it, with the summed importance kept from falling below zero as the paper's
    authors do in their code; ``"released"`` the penalty included and the sum as it comes.
    """

    name: ClassVar[str] = "si"
    default_weight: ClassVar[float | None] = WEIGHT
    path: PathIntegral | None = None

    def extra_loss(self, task: Task, seen: Sequence[Task], head: LinearHead) -> ExtraLoss:
        """Return the penalty that integrates; the first task's is zero but integrates, too."""
        gradients = {"derived": of_the_task, "released": of_the_whole_loss}
        gradient = gradients[self.setting.importance]
        network = self.backbone.network
        self.path = PathIntegral(network, self.importance, self.weight, gradient)
        return self.path

    def importance_of(self, task: Task, head: LinearHead) -> Tensor:
        """Return what the way to the restored state gives [P]; zeros if step two had no epochs."""
        path, self.path = self.path, None
        return torch.zeros_like(self.importance) if path is None else path.close()

    def consolidate(self, task: Task, head: LinearHead) -> None:
        """Add the task's importance to that of the tasks before it."""
        super().consolidate(task, head)
        if self.setting.importance == "derived":
            # A parameter that went against the gradient has omega < 0; a negative importance
            # would reward leaving.
            self.importance = self.importance.clamp_min(0)

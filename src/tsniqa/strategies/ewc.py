"""EWC: elastic weight consolidation, by squared gradients of a pair's log-likelihood.

Source: Kirkpatrick et al., PNAS 114(13), 2017 (arXiv 1612.00796); see :mod:`.importance`. The
predecessor's code takes the fidelity to the graded probability that Thurstone's model gives the
humans' scores and deviations, this package to the judgement 0 or 1 (which both train on).
"""

import torch
from torch import Tensor
from torch.special import log_ndtr

from tsniqa.data.task import Task
from tsniqa.model.fidelity import fidelity_loss, thurstone
from tsniqa.model.heads import LinearHead
from tsniqa.strategies.importance import Regularized, mean_of


class EWC(Regularized):
    """Hold parameters by the Fisher information that the tasks so far have about them.

    ``context.importance`` chooses whose gradient is squared and averaged over pairs: ``"derived"``
    that of the log-likelihood of the human judgement (the diagonal of the empirical Fisher
    information), ``"released"`` that of the fidelity loss.
    """

    name = "ewc"
    default_weight = 10_000.0  # lambda / 2 in the terms of Kirkpatrick et al.

    def importance_of(self, task: Task, head: LinearHead) -> Tensor:
        """Return the mean over pairs of the squared gradient [P]."""
        function = {"derived": log_likelihood, "released": fidelity}[self.context.importance]
        gradients = self.pair_gradients(task, head, function)
        return mean_of((gradient**2 for gradient in gradients), self.importance)


def log_likelihood(difference: Tensor, target: Tensor) -> Tensor:
    """Log-probability [n] of judgements [n] under Thurstone's model, by differences of quality."""
    return log_ndtr((2 * target - 1) * difference / 2**0.5)


def fidelity(difference: Tensor, target: Tensor) -> Tensor:
    """Fidelity loss of the judgements (released)."""
    return fidelity_loss(thurstone(difference, torch.zeros_like(difference)), target)

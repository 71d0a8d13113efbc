"""EWC: elastic weight consolidation, by squared gradients of a pair's log-likelihood.

Sources: Kirkpatrick et al., PNAS 114(13), 2017 (arXiv 1612.00796); as a rival of multi-head
learning in Zhang et al., IEEE TPAMI 2023 (arXiv 2102.09717), whose released code the importance
"released" and the weight follow. Two things are not as there: the released code takes the fidelity
to the graded probability that Thurstone's model gives the humans' scores and deviations, where
this package knows only the judgement 0 or 1 (which the released code trains on, too); and the
pairs of one epoch stand for its list of all training pairs.
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
    that of the log-likelihood of the human judgement, ``"released"`` that of the fidelity loss.
    The first is the diagonal of the empirical Fisher information: the paper's Fisher information
    with the judgement that was made in place of those that the model expects, and a mean over
    pairs where the posterior has a sum.
    """

    name = "ewc"
    default_weight = 10_000.0
    """Published for the importance "released"; lambda / 2 in the terms of Kirkpatrick et al."""

    def importance_of(self, task: Task, head: LinearHead) -> Tensor:
        """Return the mean over pairs of the squared gradient [P]."""
        function = {"derived": log_likelihood, "released": fidelity}[self.context.importance]
        gradients = self.pair_gradients(task, head, function)
        return mean_of((gradient**2 for gradient in gradients), self.importance)


def log_likelihood(difference: Tensor, target: Tensor) -> Tensor:
    """Log-probability that Thurstone's model gives the judgements (derived).

    Args:
        difference: Quality of the first image less that of the second [n].
        target: 1 where the first was judged at least as good, else 0 [n].
    """
    return log_ndtr((2 * target - 1) * difference / 2**0.5)


def fidelity(difference: Tensor, target: Tensor) -> Tensor:
    """Fidelity loss of the judgements (released)."""
    return fidelity_loss(thurstone(difference, torch.zeros_like(difference)), target)

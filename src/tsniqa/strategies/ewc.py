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
from tsniqa.strategies.importance import PairGradients, Regularized

COLUMNS = 2**18  # parameters at a time, so that a batch's gradients are not copied as a whole


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
        total, pairs = torch.zeros_like(self.importance, dtype=torch.float64), 0
        for batch in self.pair_gradients(task, head, function):
            add_squares(total, batch)
            pairs += len(batch.slopes)
        return (total / max(pairs, 1)).to(self.importance.dtype)


def add_squares(total: Tensor, batch: PairGradients) -> None:
    """Add the squared gradients of all pairs of a batch to float64 ``total`` [P], in place.

    No pair is visited. In the matrix C [n, B] every row has a pair's slope in the column of the
    first image and its negative in that of the second; with C = QR and one value per image, g [B],
    the sum over pairs is the squared length of C g, which is that of R g. R has B rows at most,
    where B images have up to B(B-1)/2 pairs. (The sum of d_i g_i^2 - g_i (W g)_i with W = -C'C off
    the diagonal and row sums d is the same, but loses digits where two gradients are alike.)
    """
    slopes, (_, _, first, second, _) = batch.slopes.double(), batch.pairs
    pairs, size = range(len(slopes)), len(batch.images)
    chosen = slopes.new_zeros(len(slopes), size)
    chosen[pairs, first], chosen[pairs, second] = slopes, -slopes
    root = torch.linalg.qr(chosen, mode="r").R.to(batch.images[0])
    columns = zip(*(image.split(COLUMNS) for image in batch.images), strict=True)
    for own, part in zip(total.split(COLUMNS), columns, strict=True):
        own += (root @ torch.stack(part)).square().sum(0)


def log_likelihood(difference: Tensor, target: Tensor) -> Tensor:
    """Log-probability [n] of judgements [n] under Thurstone's model, by differences of quality."""
    return log_ndtr((2 * target - 1) * difference / 2**0.5)


def fidelity(difference: Tensor, target: Tensor) -> Tensor:
    """Fidelity loss of the judgements (released)."""
    return fidelity_loss(thurstone(difference, torch.zeros_like(difference)), target)

"""Learning from pairs: Thurstone's model of a comparison and the fidelity loss.

The model's probability that one image of a task is better than another follows Thurstone's case V
with unit variances; the fidelity loss (Tsai et al., SIGIR 2007) holds it against the human
judgement. Only differences of scores enter, so tasks need no common rating scale.
"""

import torch
from torch import Tensor


def thurstone(first: Tensor, second: Tensor) -> Tensor:
    """Probability that the first image is better: Phi((first - second) / sqrt(2)).

    Args:
        first: Scores, any shape, floating point.
        second: Scores of the same or a broadcastable shape.
    """
    # Phi(z) = erfc(-z / sqrt 2) / 2, and z has another 1 / sqrt 2; erfc is exact where it is small.
    return 0.5 * torch.erfc((second - first) / 2)


def fidelity_loss(probability: Tensor, target: Tensor, epsilon: float = 1e-8) -> Tensor:
    """Fidelity loss of each pair: 1 - sqrt(p p_hat) - sqrt((1 - p)(1 - p_hat)).

    Args:
        probability: The model's probabilities p_hat in [0, 1], any shape.
        target: The judgements p in [0, 1], same shape.
        epsilon: Added under both roots, whose slope is infinite at 0.

    Returns:
        Losses of the same shape, from about 0 to 1.
    """
    agree = torch.sqrt(probability * target + epsilon)
    disagree = torch.sqrt((1 - probability) * (1 - target) + epsilon)
    return 1 - agree - disagree

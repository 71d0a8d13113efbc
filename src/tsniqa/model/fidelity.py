"""Learning from pairs: Thurstone's model of a comparison and the fidelity loss.

Source: Zhang et al., TIP 2024. Two images of one task are compared; the model's
probability that the first is better follows Thurstone's case V with unit variances, and the
fidelity loss (Tsai et al., SIGIR 2007) compares it with the human judgement. Only differences of
scores enter, so tasks with different rating scales need no common one.
"""

import torch


def thurstone(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Probability that the first image is better: Phi((first - second) / sqrt(2)).

    Args:
        first: Scores, any shape, floating point.
        second: Scores of the same or a broadcastable shape.

    Returns:
        Probabilities in [0, 1]. Written with erfc, which keeps small probabilities exact.
    """
    # Phi(z) = erfc(-z / sqrt 2) / 2, and z itself carries another 1 / sqrt 2.
    return 0.5 * torch.erfc((second - first) / 2)


def fidelity_loss(
    probability: torch.Tensor, target: torch.Tensor, epsilon: float = 1e-8
) -> torch.Tensor:
    """Fidelity loss of each pair: 1 - sqrt(p p_hat) - sqrt((1 - p)(1 - p_hat)).

    Args:
        probability: The model's probabilities p_hat in [0, 1], any shape.
        target: The judgements p in [0, 1], same shape.
        epsilon: Added under both roots, whose slope is infinite at 0. It makes the loss of a
            perfect prediction about -sqrt(epsilon) instead of 0.

    Returns:
        Losses of the same shape, from about 0 to 1.
    """
    agree = torch.sqrt(probability * target + epsilon)
    disagree = torch.sqrt((1 - probability) * (1 - target) + epsilon)
    return 1 - agree - disagree


def in_batch_pairs(
    mos: torch.Tensor, drop_ties: bool = True
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Form every pair within a batch of images of one task.

    B decoded images give B (B - 1) / 2 pairs, where loading pair by pair would decode two images
    for each.

    Args:
        mos: Labels [B], higher is better.
        drop_ties: Leave out pairs with equal labels. The paper keeps them with target 1; where
            labels repeat often this teaches an order that nobody saw.

    Returns:
        Positions of the first images, of the second ones (int64 [P], first < second), and targets
        (floating point [P]): 1 where the first label is at least the second, else 0.
    """
    first, second = torch.triu_indices(len(mos), len(mos), offset=1, device=mos.device)
    if drop_ties:
        differ = mos[first] != mos[second]
        first, second = first[differ], second[differ]
    dtype = mos.dtype if mos.is_floating_point() else torch.get_default_dtype()
    return first, second, (mos[first] >= mos[second]).to(dtype)


def pair_loss(scores: torch.Tensor, mos: torch.Tensor, drop_ties: bool = True) -> torch.Tensor:
    """Mean fidelity loss over every pair of a batch.

    Args:
        scores: The model's scores [B]; half precision is raised to float32 for the roots.
        mos: Labels [B] of the same images, on the same device.
        drop_ties: See :func:`in_batch_pairs`.

    Returns:
        A scalar; 0, with a gradient of 0, if no pair is left.

    Raises:
        ValueError: The two are not vectors of one length.
    """
    if scores.shape != mos.shape or scores.dim() != 1:
        raise ValueError(f"scores {tuple(scores.shape)} and mos {tuple(mos.shape)} must be [B]")
    if scores.dtype in (torch.float16, torch.bfloat16):
        scores = scores.float()
    first, second, target = in_batch_pairs(mos, drop_ties)
    if len(first) == 0:
        return scores.sum() * 0
    probability = thurstone(scores[first], scores[second])
    return fidelity_loss(probability, target.to(scores.dtype)).mean()

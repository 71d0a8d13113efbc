"""Prediction heads: from features to quality."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize


class LinearHead(nn.Module):
    """Predict quality as the inner product of a feature and a weight vector.

    While learning, the raw weight is used; when scoring, it is L2-normalised, so that quality lies
    in [-1, 1] and all heads share one perceptual scale (Zhang et al., TIP 2024).

    Attributes:
        weight: Float32 vector [C].
    """

    def __init__(self, width: int, generator: torch.Generator | None = None) -> None:
        """Draw the initial weight of C = ``width`` values, by default from torch's own stream."""
        super().__init__()
        self.weight = nn.Parameter(torch.randn(width, generator=generator) / width**0.5)

    def forward(self, features: Tensor) -> Tensor:
        """Return the learning-time quality [N] of features [N, C]."""
        return features @ self.weight

    def score(self, features: Tensor) -> Tensor:
        """Return the quality [N] in [-1, 1] of L2-normalised features [N, C].

        Gradients reach the features alone, not the weight.
        """
        return features @ normalize(self.weight.detach(), dim=0).to(features.device)


class RidgeHead(nn.Module):
    """A ridge regression from a feature to opinions in [-1, 1], clipped.

    Attributes:
        weight, bias: Float64 vector [D], and scalar.
    """

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.register_buffer("weight", weight.double())
        self.register_buffer("bias", bias.double())

    def score(self, features: Tensor) -> Tensor:
        """Return float32 quality [N] in [-1, 1] of features [N, D]."""
        weight, bias = self.weight.to(features.device), self.bias.to(features.device)
        return (features.double() @ weight + bias).clamp(-1, 1).float()


Head = LinearHead | RidgeHead


def make_head(state: Mapping[str, Tensor]) -> Head:
    """Make the head whose ``state_dict`` is given."""
    if "bias" in state:
        head = RidgeHead(**state)
    else:  # drawn from a stream of its own: loading a model moves nobody's random numbers
        head = LinearHead(len(state["weight"]), torch.Generator())
    head.load_state_dict(state)
    return head

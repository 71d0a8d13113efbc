"""The prediction head: linear, without bias, on an L2-normalised feature."""

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize


class LinearHead(nn.Module):
    """Predict quality as the inner product of a feature and a weight vector.

    While learning, the raw weight is used; when scoring, it is L2-normalised, so that quality lies
    in [-1, 1] and all heads share one perceptual scale (the paper).

    Attributes:
        weight: Float32 vector [C].
    """

    def __init__(self, width: int, generator: torch.Generator | None = None) -> None:
        """Draw the initial weight.

        Args:
            width: Number of channels C of the feature.
            generator: A CPU generator; without one the weight is drawn from torch's own stream.
        """
        super().__init__()
        self.weight = nn.Parameter(torch.randn(width, generator=generator) / width**0.5)

    def forward(self, features: Tensor) -> Tensor:
        """Return the learning-time quality [N] of features [N, C]."""
        return features @ self.weight

    def score(self, features: Tensor) -> Tensor:
        """Return the quality [N] in [-1, 1] of L2-normalised features [N, C]."""
        return features @ normalize(self.weight, dim=0)

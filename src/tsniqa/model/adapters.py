"""Low-rank adapters: a small, learned update of every dense filter, which itself stays frozen.

A filter bank W [out, in, h, w] becomes W + up @ down with up [out, rank], down [rank, in h w], as
Hu et al. (ICLR 2022, arXiv 2106.09685) do to linear layers. Depthwise filters, which have few
numbers anyway, are left as they are. At first ``up`` is zero, so nothing changes.
"""

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

ORIGINAL = ".parametrizations.weight.original"
"""How the name of a frozen filter ends that has an adapter."""

LEARNED = (".0.up", ".0.down")
"""How the names of an adapter's parameters end."""


class LowRank(nn.Module):
    """What is added to one filter bank.

    Attributes:
        up: Float32 parameter [out, rank], zeros at first.
        down: Float32 parameter [rank, in h w], drawn at first with variance 1 / (in h w).
    """

    def __init__(self, weight: Tensor, rank: int, generator: torch.Generator) -> None:
        super().__init__()
        inputs = weight[0].numel()
        self.up = nn.Parameter(weight.new_zeros(len(weight), rank))
        drawn = torch.randn(rank, inputs, generator=generator) / inputs**0.5
        self.down = nn.Parameter(drawn.to(weight))

    def forward(self, weight: Tensor) -> Tensor:
        """Return the filters [out, in, h, w] with the update."""
        return weight + (self.up @ self.down).view_as(weight)


def add_adapters(network: nn.Module, rank: int) -> None:
    """Put an adapter on every dense convolution of a network; the same ones at every call."""
    generator = torch.Generator().manual_seed(0)
    for layer in list(network.modules()):
        if isinstance(layer, nn.Conv2d) and layer.groups == 1:
            if parametrize.is_parametrized(layer):
                continue
            update = LowRank(layer.weight.detach(), rank, generator).requires_grad_(False)
            parametrize.register_parametrization(layer, "weight", update)

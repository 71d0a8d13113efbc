"""Piggyback: frozen filters, and for every task a binary mask over each of their weights.

Source: Mallya, Davis and Lazebnik, ECCV 2018 (arXiv 1801.06519), with the values of the authors'
released code. Real-valued masks are learned through a hard threshold whose gradient is passed
straight on; of them only the bits are kept. As in the code's default, normalization stays the
pretrained one, gamma, beta and running statistics alike; biases are not masked.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from tsniqa.data.task import Task
from tsniqa.model.heads import LinearHead
from tsniqa.model.normalization import masked_layers
from tsniqa.strategies.base import ParameterCount
from tsniqa.strategies.tsn import TSN
from tsniqa.training.schedules import FinetuneSchedule

INITIAL = 1e-2  # where every real-valued mask starts, so that all weights are in use
THRESHOLD = 5e-3  # weights whose real-valued mask is above are used


class StraightThrough(torch.autograd.Function):
    """Threshold a real-valued mask; the gradient passes as if nothing had been done."""

    @staticmethod
    def forward(ctx: Any, mask: Tensor) -> Tensor:
        """Return 1 where the mask is above the threshold and else 0, in its dtype."""
        return (mask > THRESHOLD).to(mask.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        """Return the gradient as it comes."""
        return gradient


class Masked(nn.Module):
    """What a weight is while its mask is learned: the frozen weight times the binary mask."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.mask = nn.Parameter(torch.full_like(weight, INITIAL))

    def forward(self, weight: Tensor) -> Tensor:
        """Return the masked weight."""
        return weight * StraightThrough.apply(self.mask)


class Piggyback(TSN):
    """Learn a mask over the frozen filters, and a head, for every task."""

    name = "piggyback"
    select = "masks"
    default_weight = 1e-4  # Adam's initial rate for the real-valued masks, as released

    def finetune_schedule(self) -> FinetuneSchedule:
        """Return the schedule of the whole network with the masks' own rate.

        The weight decay is the released code's 0: Adam would let even a slight pull towards 0
        overcome the masks' tiny gradients, and prune whatever matters little.
        """
        own = {"learning_rate": self.weight, "weight_decay": 0.0, "bn_statistics": "kept"}
        return self.context.schedule.full.model_copy(update=own)

    def before_task(self, task: Task, seen: Sequence[Task]) -> None:
        """Put real-valued masks on the filters."""
        for layer in masked_layers(self.backbone.network).values():
            parametrize.register_parametrization(layer, "weight", Masked(layer.weight))

    def trained(self) -> list[nn.Parameter]:
        """Return the real-valued masks, in network order."""
        layers = masked_layers(self.backbone.network).values()
        return [layer.parametrizations.weight[0].mask for layer in layers]

    def after_task(self, task: Task, head: LinearHead) -> None:
        """Leave the filters as the binary masks have them; the bank keeps one bit of each."""
        for layer in masked_layers(self.backbone.network).values():
            if parametrize.is_parametrized(layer):
                parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)

    def parameters(self) -> ParameterCount:
        """Count real-valued masks as trained; of what is stored, 32 bits of a mask as one value."""
        masks = sum(weight.numel() for weight in self.model.bank.initial.values())
        head = self.backbone.head_width
        stored = -(-masks // 32) + head + self.gate_numbers()
        return ParameterCount(learnable_per_task=masks + head, stored_per_task=stored)

"""Piggyback: frozen filters, and for every task a binary mask over each of their weights.

Source: Mallya, Davis and Lazebnik, *Piggyback: Adapting a Single Network to Multiple Tasks by
Learning to Mask Weights*, ECCV 2018 (arXiv 1801.06519), with the values of the authors' released
code. Real-valued masks are learned through a hard threshold whose gradient is passed straight on;
of them only the bits are kept. As in the code's default, normalization stays the pretrained one,
gamma, beta and running statistics alike; biases are not masked. The heads are mixed by the same
K-means gate as TSN's, on features of the unmasked network.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.utils import parametrize

from tsniqa.model.normalization import NormalizationBank, NormalizationState, write
from tsniqa.strategies.protocol import ParameterCount
from tsniqa.strategies.tsn import TSN
from tsniqa.training.schedules import ImageStep

WEIGHT = 1e-4
"""Adam's initial rate for the real-valued masks (the released training script)."""

INITIAL = 1e-2
"""Every real-valued mask starts here, so that all weights are in use."""

THRESHOLD = 5e-3
"""Weights whose real-valued mask is above are used."""


class StraightThrough(torch.autograd.Function):
    """Threshold a real-valued mask; the gradient passes as if nothing had been done."""

    @staticmethod
    def forward(ctx: Any, mask: Tensor) -> Tensor:
        """Return 1 where the mask is above the threshold and else 0, in the mask's dtype."""
        return (mask > THRESHOLD).to(mask.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        """Return the gradient as it comes."""
        return gradient


class Masked(nn.Module):
    """What a weight is while its mask is learned: the frozen weight times the binary mask.

    Attributes:
        mask: Real-valued mask of the weight's shape.
    """

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.mask = nn.Parameter(torch.full_like(weight, INITIAL))

    def forward(self, weight: Tensor) -> Tensor:
        """Return the masked weight."""
        return weight * StraightThrough.apply(self.mask)


class MaskBank(NormalizationBank):
    """A bank of binary masks over the weights of all convolutions and linear layers.

    A stored state holds the bits of each layer's mask, packed eight to a uint8. Real-valued masks
    exist only between :meth:`attach` and the next :meth:`load`.
    """

    def layers(self) -> dict[str, nn.Module]:
        """Return the masked layers by name."""
        kinds = (nn.Conv2d, nn.Linear)
        return {n: layer for n, layer in self.network.named_modules() if isinstance(layer, kinds)}

    def live(self) -> NormalizationState:
        """Return the layers' weights by name; outside of learning some may be masked."""
        return {name: layer.weight for name, layer in self.layers().items()}

    def attach(self) -> list[nn.Parameter]:
        """Put real-valued masks on the weights, and return them in network order."""
        for layer in self.layers().values():
            if not parametrize.is_parametrized(layer):
                parametrize.register_parametrization(layer, "weight", Masked(layer.weight))
        return [layer.parametrizations.weight[0].mask for layer in self.layers().values()]

    def detach(self) -> None:
        """Take them off; the weights are as they were before."""
        for layer in self.layers().values():
            if parametrize.is_parametrized(layer):
                parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)

    def store(self, task: str) -> None:
        """Keep the present masks' bits as the task's (all ones where none is attached)."""
        masks = {
            name: layer.parametrizations.weight[0].mask > THRESHOLD
            if parametrize.is_parametrized(layer)
            else torch.ones(layer.weight.shape, dtype=torch.bool)
            for name, layer in self.layers().items()
        }
        self.states[task] = {name: packed(mask) for name, mask in masks.items()}

    def load(self, task: str | None) -> None:
        """Mask the network's weights for a task, or with None unmask them."""
        self.detach()
        write(self.live(), self._state(task))

    def _state(self, task: str | None) -> NormalizationState:
        if task is None:
            return self.initial
        bits = super()._state(task)
        return {k: w * unpacked(bits[k], w.shape).to(w.dtype) for k, w in self.initial.items()}


class Piggyback(TSN):
    """Learn a mask over the frozen filters, and a head, for every task."""

    name: ClassVar[str] = "piggyback"
    default_weight: ClassVar[float | None] = WEIGHT

    def _bank(self) -> MaskBank:
        return MaskBank(self.setting.backbone.network)

    def _trained(self) -> list[nn.Parameter]:
        return self.model.bank.attach()

    def step_two(self) -> ImageStep:
        """Return the schedule of the whole network with the masks' own rate, and what they need.

        The weight decay is the released code's 0: Adam would let even a slight pull towards 0
        overcome the masks' tiny gradients, and prune whatever matters little.
        """
        own = {"learning_rate": self.setting.weight_or(self.default_weight), "weight_decay": 0.0}
        return self.setting.schedule.full.model_copy(update=own | {"statistics": "kept"})

    def parameters(self) -> ParameterCount:
        """Count real-valued masks as trained; of what is stored, 32 bits of a mask as one value."""
        bank, task = self.model.bank, self.model.tasks[0]
        masks = sum(weight.numel() for weight in bank.initial.values())
        head = self.model.heads[task].weight.numel()
        gate = max(map(self.model.gate.stored, self.model.tasks))
        return ParameterCount(
            learnable_per_task=masks + head, stored_per_task=-(-masks // 32) + head + gate
        )

    def save(self, folder: Path) -> None:
        """Write all masks, heads and centroids as one safetensors file."""
        folder.mkdir(parents=True, exist_ok=True)
        save_file(self.state(), folder / "piggyback.safetensors")


def packed(mask: Tensor) -> Tensor:
    """Pack a boolean mask into uint8 [ceil(size / 8)]."""
    return torch.from_numpy(np.packbits(mask.cpu().contiguous().numpy()))


def unpacked(bits: Tensor, shape: Sequence[int]) -> Tensor:
    """Return the boolean mask of a shape that :func:`packed` packed."""
    values = np.unpackbits(bits.numpy(), count=int(np.prod(shape)))
    return torch.from_numpy(values.astype(bool)).reshape(tuple(shape))

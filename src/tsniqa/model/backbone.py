"""The frozen backbone: any timm convolutional network, described by a YAML card."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import normalize

from tsniqa import pixels
from tsniqa.cards import BackboneCard, build_network, drop_unused, load_card
from tsniqa.errors import ConfigError, one_line
from tsniqa.model.adapters import LEARNED, ORIGINAL
from tsniqa.model.normalization import normalization_layers
from tsniqa.runtime import find_device
from tsniqa.storage import fingerprint


class Features(NamedTuple):
    """Globally average-pooled, L2-normalised features of N images.

    Attributes:
        gate: Two float32 tensors [N, C3] and [N, C4], for the gate.
        head: Float32 tensor [N, C], for the prediction heads.
    """

    gate: tuple[Tensor, Tensor]
    head: Tensor

    def cpu(self) -> "Features":
        """Return them on the CPU."""
        return Features((self.gate[0].cpu(), self.gate[1].cpu()), self.head.cpu())

    @classmethod
    def joined(cls, parts: Sequence["Features"]) -> "Features":
        """Put the features of several batches one after another."""
        gate = [torch.cat([part.gate[i] for part in parts]) for i in range(2)]
        return cls((gate[0], gate[1]), torch.cat([part.head for part in parts]))


class Backbone(nn.Module):
    """A pretrained network in evaluation mode, all of whose parameters are frozen.

    Its filters never change while tasks are learned; :meth:`filters_fingerprint` proves it.
    """

    def __init__(self, card: BackboneCard, network: nn.Module) -> None:
        super().__init__()
        self.card = card
        self.network = network.to(memory_format=torch.channels_last).eval().requires_grad_(False)

    def train(self, mode: bool = True) -> "Backbone":
        """Stay in evaluation mode; training uses :func:`use_batch_statistics` where it has to."""
        return super().train(False)

    def preprocess(self, images: Tensor) -> Tensor:
        """Standardise images [N, 3, H, W], uint8 or floating point in [0, 1], by the card.

        Returns:
            Float32 [N, 3, H, W] on the network's device, in channels-last memory.
        """
        return pixels.normalize(images.to(self.device), self.card.mean, self.card.std)

    def forward(self, inputs: Tensor) -> Features:
        """Compute the pooled features of a batch from :meth:`preprocess`."""
        final, maps = self.network.forward_intermediates(inputs)
        third, fourth, last = (
            normalize(one.float().mean((2, 3)), dim=1)
            for one in (*(maps[i] for i in self.card.stages), final)
        )
        parts = {"final": [last], "stage": [fourth], "multi": [third, fourth, last]}
        head = torch.cat(parts[self.card.head_feature], dim=1)
        return Features((third, fourth), normalize(head, dim=1))

    def forward_with(self, state: Mapping[str, Tensor], inputs: Tensor) -> Features:
        """Compute features of a batch with a bank's tensors in place of the network's own."""
        replaced = {f"network.{name}": value for name, value in state.items()}
        return functional_call(self, replaced, (inputs,), tie_weights=False)

    @property
    def device(self) -> torch.device:
        """The device that holds the parameters."""
        return next(self.network.parameters()).device

    @cached_property
    def head_width(self) -> int:
        """Number of channels C of the feature that feeds the heads."""
        probe = torch.zeros(1, 3, 64, 64, device=self.device)
        with torch.inference_mode():
            return self(probe).head.shape[1]

    def filters(self) -> dict[str, Tensor]:
        """Return every parameter outside normalization layers and adapters: what stays frozen."""
        layers = tuple(f"{name}." for name in normalization_layers(self.network))
        found = {}
        for name, value in self.network.named_parameters():
            if not name.startswith(layers) and not name.endswith(LEARNED):
                found[name.replace(ORIGINAL, ".weight")] = value
        return found

    def filters_fingerprint(self) -> str:
        """Hash names and bits of all filters; equal before and after learning if frozen."""
        return fingerprint(self.filters())


def load_backbone(card: BackboneCard | str, device: str = "cpu") -> Backbone:
    """Build the network of a card, or of the card of that name, with its weights.

    Raises:
        ConfigError: There is no such card or device, timm does not know the architecture or its
            arguments, or the network has no such stages.
        WeightsError: The weights are missing, fail their checksum, or do not fit.
    """
    card = load_card(card) if isinstance(card, str) else card
    device = find_device(device)
    network = build_network(card)
    try:
        drop_unused(network)
        backbone = Backbone(card, network).to(device)
        _ = backbone.head_width  # one forward pass: the card's stages exist
    except (AttributeError, IndexError, RuntimeError, AssertionError) as error:
        raise ConfigError(
            f"backbone '{card.name}': '{card.model}' yields no features at stages {card.stages} "
            f"({one_line(error)}); correct 'stages', or choose a convolutional network"
        ) from error
    return backbone

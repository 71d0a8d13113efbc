"""Affine-only: TSN with gamma and beta of every task, on the initial running statistics.

The control that parts TSN's two ingredients, trained affine parameters and statistics of the task's
own images. With a preset whose schedule keeps the statistics anyway, it scores as TSN does, bit
for bit, and only stores less.
"""

from pathlib import Path
from typing import ClassVar

from safetensors.torch import save_file

from tsniqa.model.normalization import (
    NormalizationBank,
    NormalizationState,
    copied,
    normalization_layers,
    normalization_tensors,
)
from tsniqa.strategies.tsn import TSN
from tsniqa.training.schedules import ImageStep


class AffineBank(NormalizationBank):
    """A bank that swaps gamma and beta alone; no task changes the statistics."""

    def live(self) -> NormalizationState:
        """Return weight and bias of every normalization layer, by name."""
        return {
            f"{layer_name}.{name}": value
            for layer_name, layer in normalization_layers(self.network).items()
            for name, value in layer.named_parameters(recurse=False)
        }

    def save(self, folder: Path) -> None:
        """Write the task's affine parameters with the initial statistics, as TSN's are stored."""
        folder.mkdir(parents=True, exist_ok=True)
        shared = copied(normalization_tensors(self.network))
        for task, state in self.states.items():
            save_file(shared | state, folder / f"{task}.safetensors")


class AffineOnly(TSN):
    """Learn gamma, beta and a head for every task."""

    name: ClassVar[str] = "affine-only"

    def _bank(self) -> NormalizationBank:
        return AffineBank(self.setting.backbone.network)

    def step_two(self) -> ImageStep:
        """Return TSN's schedule, but with the running statistics kept."""
        return self.setting.schedule.normalization.model_copy(update={"statistics": "kept"})

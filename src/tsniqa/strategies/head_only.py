"""Head-only: everything frozen but one head a task; TSN's step one and nothing more.

The control that shows what task-specific normalization adds.
"""

from pathlib import Path
from typing import ClassVar

from safetensors.torch import save_file
from torch import nn

from tsniqa.model.normalization import (
    NormalizationBank,
    NormalizationState,
    copied,
    normalization_tensors,
)
from tsniqa.strategies.tsn import TSN
from tsniqa.training.schedules import ImageStep


class NothingStored(NormalizationBank):
    """A bank for networks that no task changes."""

    def live(self) -> NormalizationState:
        """Return no tensors: there is nothing to swap."""
        return {}

    def save(self, folder: Path) -> None:
        """Write the unchanged normalization once a task, as a TSN model is stored."""
        folder.mkdir(parents=True, exist_ok=True)
        for task in self.states:
            save_file(copied(normalization_tensors(self.network)), folder / f"{task}.safetensors")


class HeadOnly(TSN):
    """Learn a head for every task on the unchanged network."""

    name: ClassVar[str] = "head-only"

    def _bank(self) -> NormalizationBank:
        return NothingStored(self.setting.backbone.network)

    def _trained(self) -> list[nn.Parameter]:
        return []

    def step_two(self) -> ImageStep | None:
        """Return None: there is no step two."""
        return None

"""Separate: one fully fine-tuned network a task; an upper bound that forgets nothing.

Memory grows by a whole network a task. The heads are mixed by the same gate as TSN's.
"""

from pathlib import Path
from typing import ClassVar

from safetensors.torch import save_file
from torch import nn

from tsniqa.model.normalization import NormalizationBank, NormalizationState
from tsniqa.strategies.tsn import TSN
from tsniqa.training.schedules import ImageStep


class NetworkBank(NormalizationBank):
    """A bank that swaps every parameter and statistic of the network, not normalization alone."""

    def live(self) -> NormalizationState:
        """Return all parameters and buffers but batch counters, by name."""
        return {
            name: value
            for name, value in self.network.state_dict(keep_vars=True).items()
            if not name.endswith("num_batches_tracked")
        }


class Separate(TSN):
    """Fine-tune the whole network for every task, from the initial one."""

    name: ClassVar[str] = "separate"
    main_use: ClassVar[str] = "oracle"

    def _bank(self) -> NormalizationBank:
        return NetworkBank(self.setting.backbone.network)

    def _trained(self) -> list[nn.Parameter]:
        return list(self.setting.backbone.network.parameters())

    def step_two(self) -> ImageStep | None:
        """Return the schedule of the whole network."""
        return self.setting.schedule.full

    def save(self, folder: Path) -> None:
        """Write all networks, heads and centroids as one safetensors file."""
        folder.mkdir(parents=True, exist_ok=True)
        save_file(self.state(), folder / "separate.safetensors")

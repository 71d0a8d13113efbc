"""What a strategy has learned as one flat dictionary of tensors, for storage."""

from collections.abc import Mapping

from torch import Tensor

from tsniqa.model.backbone import Backbone


def network_state(backbone: Backbone) -> dict[str, Tensor]:
    """Return a network's parameters and buffers on the CPU, by ``network/<name>``."""
    # The network is kept in channels-last memory, which safetensors does not take.
    state = backbone.network.state_dict().items()
    return {f"network/{name}": value.cpu().contiguous() for name, value in state}


def part_of(state: Mapping[str, Tensor], kind: str) -> dict[str, Tensor]:
    """Return the entries ``<kind>/<name>`` of a state, by name."""
    prefix = f"{kind}/"
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}

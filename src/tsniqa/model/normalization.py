"""The normalization bank: one set of normalization parameters for every task.

For task t the bank holds phi_t = {gamma, beta, running mean, running variance} of every
normalization layer. Swapping leaves everything else of the network alone.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.instancenorm import _InstanceNorm

from tsniqa.errors import WeightsError, unknown_name

NORMALIZATION = (_BatchNorm, _InstanceNorm, nn.GroupNorm, nn.LayerNorm)

NormalizationState = dict[str, Tensor]
"""Parameters and running statistics of all normalization layers, by their full names."""


def normalization_layers(network: nn.Module) -> dict[str, nn.Module]:
    """Return all batch, instance, group and layer normalization layers by name."""
    return {
        name: module
        for name, module in network.named_modules()
        if isinstance(module, NORMALIZATION)
    }


def affine_parameters(network: nn.Module) -> list[nn.Parameter]:
    """Return gamma and beta of every normalization layer, in network order."""
    return [
        parameter
        for layer in normalization_layers(network).values()
        for parameter in layer.parameters(recurse=False)
    ]


def use_batch_statistics(network: nn.Module, enabled: bool) -> None:
    """Put the normalization layers alone in training mode (batch statistics) or evaluation mode."""
    for layer in normalization_layers(network).values():
        layer.train(enabled)


def normalization_tensors(network: nn.Module) -> NormalizationState:
    """Return the live weight, bias and running statistics of every normalization layer by name.

    Batch counters are left out, since no computation of this study reads them.
    """
    tensors = {}
    for layer_name, layer in normalization_layers(network).items():
        own = [*layer.named_parameters(recurse=False), *layer.named_buffers(recurse=False)]
        tensors |= {f"{layer_name}.{name}": value for name, value in own}
    return {
        name: value for name, value in tensors.items() if not name.endswith("num_batches_tracked")
    }


def copied(live: NormalizationState) -> NormalizationState:
    """Copy live tensors to the CPU, detached and contiguous (as safetensors needs them)."""
    return {
        name: value.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
        for name, value in live.items()
    }


def write(live: NormalizationState, state: NormalizationState) -> None:
    """Write stored values into live tensors, in place.

    Raises:
        WeightsError: Names or shapes differ; nothing has been written then.
    """
    check_fit(live, state)
    with torch.no_grad():
        for name, value in live.items():
            value.copy_(state[name])


def check_fit(live: NormalizationState, state: NormalizationState) -> None:
    """Compare names and shapes of stored values with those of a network.

    Raises:
        WeightsError: They differ.
    """
    differing = sorted(live.keys() ^ state.keys()) or [
        name for name in live if live[name].shape != state[name].shape
    ]
    if differing:
        raise WeightsError(
            f"the stored parameters do not fit this network: {len(differing)} names or shapes "
            f"differ, first '{differing[0]}'; use the backbone they were learned on"
        )


class NormalizationBank:
    """The normalization states of all tasks of one network.

    Attributes:
        initial: The state the network had when the bank was made; every new task starts from it
            (the *ImageNet* normalization, not the previous task's: the paper).
        states: One state per task.
    """

    def __init__(self, network: nn.Module) -> None:
        self.network = network
        self.initial = copied(self.live())
        self.states: dict[str, NormalizationState] = {}

    def live(self) -> NormalizationState:
        """Return the tensors of the network that this bank swaps."""
        return normalization_tensors(self.network)

    def store(self, task: str) -> None:
        """Keep a copy of the network's current parameters as the task's."""
        self.states[task] = copied(self.live())

    def load(self, task: str | None) -> None:
        """Bring a task's parameters, or with None the initial ones, into the network.

        Raises:
            ConfigError: The bank holds no such task.
        """
        write(self.live(), self._state(task))

    @contextmanager
    def swapped(self, task: str | None) -> Iterator[nn.Module]:
        """Use a task's parameters within a ``with`` block, then restore the present ones."""
        state = self._state(task)
        before = copied(self.live())
        write(self.live(), state)
        try:
            yield self.network
        finally:
            write(self.live(), before)

    def save(self, folder: Path) -> None:
        """Write one safetensors file a task, ``<task>.safetensors``, into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        for task, state in self.states.items():
            save_file(state, folder / f"{task}.safetensors")

    def restore(self, folder: Path) -> None:
        """Read every file that :meth:`save` wrote.

        Raises:
            WeightsError: A file is unreadable or does not fit the network.
        """
        for path in sorted(folder.glob("*.safetensors")):
            try:
                state = load_file(path)
            except SafetensorError as error:
                raise WeightsError(f"{path} is not a readable safetensors file; {error}") from error
            check_fit(self.live(), state)
            self.states[path.stem] = state

    def _state(self, task: str | None) -> NormalizationState:
        if task is None:
            return self.initial
        if task not in self.states:
            raise unknown_name("task", task, self.states)
        return self.states[task]

"""The normalization bank: what every task owns of one shared network.

In TSN-IQA (Zhang et al., TIP 2024) a task owns gamma, beta, running mean and variance of every
normalization layer; the filters are shared and frozen. Controls and rivals use the same bank for
nothing (heads alone), statistics, gamma and beta, normalization with depthwise filters or low-rank
adapters, masks over filters (Piggyback), or everything.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.instancenorm import _InstanceNorm

from tsniqa.errors import WeightsError, unknown_name
from tsniqa.model.adapters import LEARNED, add_adapters
from tsniqa.storage import packed, unpacked

LAYERS = (_BatchNorm, _InstanceNorm, nn.GroupNorm, nn.LayerNorm)
"""Kinds of layers that count as normalization."""

State = dict[str, Tensor]
"""Parameters and buffers of a network by their full names."""


def normalization_layers(network: nn.Module) -> dict[str, nn.Module]:
    """Return all batch, instance, group and layer normalization layers by name."""
    return {name: layer for name, layer in network.named_modules() if isinstance(layer, LAYERS)}


def use_batch_statistics(network: nn.Module, enabled: bool) -> None:
    """Put the normalization layers alone in training mode (batch statistics) or evaluation mode."""
    for layer in normalization_layers(network).values():
        layer.train(enabled)


def masked_layers(network: nn.Module) -> dict[str, nn.Module]:
    """Return all convolutions and linear layers by name: those whose weights can be masked."""
    kinds = (nn.Conv2d, nn.Linear)
    return {name: layer for name, layer in network.named_modules() if isinstance(layer, kinds)}


def everything(network: nn.Module) -> State:
    """Return all parameters and buffers, live, but batch counters, which nothing reads."""
    state = network.state_dict(keep_vars=True)
    return {k: value for k, value in state.items() if not k.endswith("num_batches_tracked")}


def _normalization(network: nn.Module) -> State:
    layers = normalization_layers(network)
    return {k: v for k, v in everything(network).items() if k.rpartition(".")[0] in layers}


def _with_depthwise(network: nn.Module) -> State:
    """Return normalization, and the filters of convolutions that see one channel each."""
    layers = {k: layer for k, layer in network.named_modules() if isinstance(layer, nn.Conv2d)}
    filters = {f"{k}.weight" for k, own in layers.items() if own.groups == own.in_channels}
    wanted = filters | _normalization(network).keys()
    return {k: value for k, value in everything(network).items() if k in wanted}


def _with_adapters(network: nn.Module) -> State:
    """Return normalization, and the numbers of low-rank adapters."""
    own = _normalization(network)
    return {k: v for k, v in everything(network).items() if k in own or k.endswith(LEARNED)}


def _learnable(state: State, wanted: bool = True) -> State:
    """Return those tensors that learning by gradients changes, or all the others."""
    return {k: v for k, v in state.items() if isinstance(v, nn.Parameter) is wanted}


RANKS = (1, 2, 4, 8, 16)
"""Ranks of adapters that can be selected."""

SELECTIONS: dict[str, Callable[[nn.Module], State]] = {
    "nothing": lambda network: {},
    "statistics": lambda network: _learnable(_normalization(network), False),
    "affine": lambda network: _learnable(_normalization(network)),
    "normalization": _normalization,
    "depthwise": _with_depthwise,
    **{f"low-rank-{rank}": _with_adapters for rank in RANKS},
    "masks": lambda net: {f"{k}.weight": v.weight for k, v in masked_layers(net).items()},
    "everything": everything,
}
"""What a task may own. Of ``masks`` a task stores one bit a filter weight: kept or zeroed.
``depthwise`` and ``low-rank-R`` are normalization and depthwise filters, or adapters of rank R."""


class NormalizationBank:
    """One state per task of what is selected of a network.

    States are on the network's device, in its memory format: swapping makes no detour.

    Attributes:
        network: The shared network, live.
        select: One of :data:`SELECTIONS`.
        initial: What the network held when the bank was made; every new task starts from it (the
            *ImageNet* normalization, not the previous task's: the paper).
        states: One state per task; of ``masks`` the packed bits.
    """

    def __init__(self, network: nn.Module, select: str = "normalization") -> None:
        """Start with no task.

        Raises:
            ConfigError: There is no such selection.
        """
        if select not in SELECTIONS:
            raise unknown_name("selection", select, SELECTIONS)
        if select.startswith("low-rank-"):
            add_adapters(network, int(select.removeprefix("low-rank-")))
        self.network = network
        self.select = select
        self.initial = _copy(self.live())
        self.states: dict[str, State] = {}

    def live(self) -> State:
        """Return the selected tensors of the network itself."""
        return SELECTIONS[self.select](self.network)

    def parameters(self) -> list[nn.Parameter]:
        """Return the trainable parameters of the selection, in network order."""
        return list(_learnable(self.live()).values())

    def store(self, task: str) -> None:
        """Keep a copy of what the network holds now as the task's; of nothing, no entry."""
        live = self.live()
        if self.select == "masks":
            self.states[task] = {k: packed(live[k] == self.initial[k]) for k in live}
        elif live:
            self.states[task] = _copy(live)

    def state(self, task: str | None) -> State:
        """Return the tensors that a task, or with None the untouched network, puts in place.

        Raises:
            ConfigError: The bank holds no such task.
        """
        if task is None:
            return self.initial
        if task not in self.states:
            raise unknown_name("task", task, self.states)
        own = self.states[task]
        if self.select != "masks":
            return own
        kept = {k: unpacked(own[k], w.shape).to(w) for k, w in self.initial.items()}
        return {k: torch.mul(w, kept[k], out=torch.empty_like(w)) for k, w in self.initial.items()}

    def load(self, task: str | None) -> None:
        """Bring a task's tensors, or with None the initial ones, into the network, in place."""
        state = self.state(task)
        with torch.no_grad():
            for name, value in self.live().items():
                value.copy_(state[name])

    def put(self, task: str, state: State) -> None:
        """Take a task's stored state from elsewhere, such as a file.

        Raises:
            WeightsError: Names or shapes are not those of the network; nothing is changed then.
        """
        bits, like = self.select == "masks", self.initial
        wanted = {k: (-(-w.numel() // 8),) if bits else tuple(w.shape) for k, w in like.items()}
        given = {k: tuple(value.shape) for k, value in state.items()}
        if differing := sorted({k for k, _ in wanted.items() ^ given.items()}):
            raise WeightsError(
                f"the stored parameters of '{task}' do not fit this network: {len(differing)} names"
                f" or shapes differ, first '{differing[0]}'; use the backbone they were learned on"
            )
        like = state if bits else like
        self.states[task] = {k: torch.empty_like(like[k]).copy_(v) for k, v in state.items()}

    def apply(self, change: Callable[[Tensor], Tensor]) -> None:
        """Change every state but packed bits, for instance to the device the network is on now."""
        for state in [self.initial, *(self.states.values() if self.select != "masks" else [])]:
            state |= {name: change(value) for name, value in state.items()}


def _copy(live: State) -> State:
    """Copy tensors, detached, on their device and in their memory format."""
    return {name: value.detach().clone() for name, value in live.items()}

"""TSN with a shared prefix: task-specific normalization in the last two stages only.

A cheaper TSN: everything before the gate's two stages keeps the initial normalization, so it runs
once for all tasks, and only the suffix runs once a task. The gate reads the suffix under its
initial normalization, as TSN's does.
"""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn

from tsniqa.errors import ConfigError
from tsniqa.model.backbone import Backbone
from tsniqa.model.tsniqa import TSNIQA
from tsniqa.strategies.tsn import TSN


class Suffix(Backbone):
    """The part of a backbone behind a cut, which takes the prefix for its preprocessing.

    Its network shares all modules of the suffix with the whole one, and has identities in place of
    those of the prefix; so whoever trains, swaps or counts its parameters reaches the suffix alone,
    and the prefix always runs in evaluation mode.

    Attributes:
        whole: The backbone that was cut.
        cut: Number of the stage whose output is handed over, as ``forward_intermediates`` counts.
        prefix: Names of the modules that run before the cut.
    """

    def __init__(self, whole: Backbone) -> None:
        """Cut before the first of the gate's two stages.

        Raises:
            ConfigError: No stage comes before it, or the network is no chain there: it does not go
                on from that stage's output alone.
        """
        stages = len(whole.network.feature_info)
        cut = whole.card.stages[0] % stages - 1
        if cut < 0:
            raise ConfigError(
                f"backbone '{whole.card.name}': no stage comes before stage {whole.card.stages[0]},"
                " so no prefix can be shared; correct 'stages', or use the strategy 'tsn'"
            )
        probe = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
        probe = probe.to(whole.device)
        prefix = _called(whole.network, lambda: _run_to(whole.network, cut, probe))
        super().__init__(whole.card, _without(whole.network, prefix))
        # Not registered as a submodule: training mode and gradients are none of the prefix's.
        object.__setattr__(self, "whole", whole)
        self.cut = cut
        self.prefix = prefix
        with torch.inference_mode():
            expected = whole(probe)
            features = self(_run_to(whole.network, cut, probe))
        if not torch.equal(features.head, expected.head):
            raise ConfigError(
                f"backbone '{whole.card.name}': '{whole.card.model}' cannot be cut after stage"
                f" {cut}; use the strategy 'tsn'"
            )

    def preprocess(self, images: Tensor) -> Tensor:
        """Bring uint8 images [N, 3, H, W] to the map [N, C, h, w] at the cut."""
        with torch.no_grad():
            return _run_to(self.whole.network, self.cut, self.whole.preprocess(images))

    @property
    def head_width(self) -> int:
        """Number of channels C of the feature that feeds the heads."""
        return self.whole.head_width

    def filters(self) -> dict[str, Tensor]:
        """Return the filters of the whole network: none may change."""
        return self.whole.filters()


class TSNSharedPrefix(TSN):
    """Learn normalization behind the cut and a head for every task."""

    name: ClassVar[str] = "tsn-shared-prefix"

    def own_backbone(self) -> Suffix:
        """Return what is behind the cut of a copy of the reference."""
        return Suffix(super().own_backbone())

    def save(self, folder: Path) -> None:
        """Write the model as TSN's are: on the whole network, whose prefix every task shares."""
        whole, own = self.backbone.whole, self.model
        plain = TSNIQA(whole, own.gate, shorter_side=own.shorter_side)
        plain.heads, plain.offsets = own.heads, own.offsets
        for task, state in own.bank.states.items():
            plain.bank.put(task, plain.bank.initial | state)
        plain.save(folder)


def _run_to(network: nn.Module, cut: int, inputs: Tensor) -> Tensor:
    """Run a timm network from its input to the output of stage ``cut``, and no further."""
    return network.forward_intermediates(
        inputs, indices=[cut], stop_early=True, intermediates_only=True
    )[0]


def _called(network: nn.Module, run: Callable[[], object]) -> set[str]:
    """Return the outermost modules that a run calls, by name."""
    names: set[str] = set()
    hooks = [
        module.register_forward_hook(lambda *_, name=name: names.add(name))
        for name, module in network.named_modules()
        if name
    ]
    try:
        with torch.inference_mode():
            run()
    finally:
        for hook in hooks:
            hook.remove()
    return {name for name in names if not any(name.startswith(f"{other}.") for other in names)}


def _without(module: nn.Module, names: set[str], path: str = "") -> nn.Module:
    """Return a shallow copy of a network with identities in place of the named modules."""
    shallow = copy.copy(module)
    shallow._modules = dict(module._modules)
    for name, child in module._modules.items():
        full = f"{path}{name}"
        if full in names:
            shallow._modules[name] = nn.Identity()
        elif any(other.startswith(f"{full}.") for other in names):
            shallow._modules[name] = _without(child, names, f"{full}.")
    return shallow

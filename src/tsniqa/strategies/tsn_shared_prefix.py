"""TSN with a shared prefix: task-specific normalization in the last two stages only.

Everything before the gate's two stages keeps the initial normalization, so it runs once for all
tasks, and only the suffix runs once a task.
"""

import copy
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook

from tsniqa.errors import ConfigError
from tsniqa.model.backbone import Backbone
from tsniqa.model.tsniqa import TSNIQA
from tsniqa.strategies.tsn import TSN


class Suffix(Backbone):
    """A copy of the part of a backbone behind a cut, which takes the prefix for its preprocessing.

    Its network has identities in place of the modules of the prefix; so whoever trains, swaps or
    counts its parameters reaches the suffix alone. The ``whole`` backbone stays as it is.
    """

    def __init__(self, whole: Backbone) -> None:
        """Cut before the first of the gate's two stages.

        Raises:
            ConfigError: No stage comes before it, or the network does not go on from it alone.
        """
        card = whole.card
        cut = card.stages[0] % len(whole.network.feature_info) - 1
        if cut < 0:
            raise ConfigError(
                f"backbone '{card.name}': no stage comes before stage {card.stages[0]},"
                " so no prefix can be shared; correct 'stages', or use the strategy 'tsn'"
            )
        generator = torch.Generator().manual_seed(0)
        probe = torch.rand(1, 3, 64, 64, generator=generator).to(whole.device)
        network = copy.deepcopy(whole.network)
        for name in _called_up_to(network, cut, probe):
            network.set_submodule(name, nn.Identity())
        super().__init__(card, network)
        # Not registered as a submodule: training mode and gradients are none of the prefix's.
        object.__setattr__(self, "whole", whole)
        self.cut = cut
        with torch.inference_mode():
            same = torch.equal(self(_run_to(whole.network, cut, probe)).head, whole(probe).head)
        if not same:
            raise ConfigError(
                f"backbone '{card.name}': '{card.model}' cannot be cut after stage {cut}; use the"
                " strategy 'tsn'"
            )

    def preprocess(self, images: Tensor) -> Tensor:
        """Bring images [N, 3, H, W] to the map [N, C, h, w] at the cut."""
        with torch.no_grad():
            return _run_to(self.whole.network, self.cut, self.whole.preprocess(images))

    head_width = property(lambda self: self.whole.head_width)

    def filters(self) -> dict[str, Tensor]:
        """Return the filters of prefix and suffix: none may change."""
        return self.whole.filters() | super().filters()


class TSNSharedPrefix(TSN):
    """Learn normalization behind the cut and a head for every task."""

    name = "tsn-shared-prefix"

    def own_backbone(self) -> Suffix:
        """Return a copy of what is behind the cut of the reference."""
        return Suffix(self.context.backbone)

    def save(self, folder: Path) -> None:
        """Write the model as TSN's are: on the whole network, whose prefix every task shares."""
        own = self.model
        given = {"shorter_side": own.shorter_side, "analytic": own.analytic, "readout": own.readout}
        plain = TSNIQA(self.backbone.whole, own.gate, **given)
        plain.heads, plain.levels, plain.profiles = own.heads, own.levels, own.profiles
        for task, state in own.bank.states.items():
            plain.bank.put(task, plain.bank.initial | state)
        plain.save(folder)


def _run_to(network: nn.Module, cut: int, inputs: Tensor) -> Tensor:
    """Run a timm network from its input to the output of stage ``cut``."""
    only = {"indices": [cut], "stop_early": True, "intermediates_only": True}
    return network.forward_intermediates(inputs, **only)[0]


def _called_up_to(network: nn.Module, cut: int, probe: Tensor) -> list[str]:
    """Return the names of the outermost modules that run up to stage ``cut``."""
    called: set[nn.Module] = set()
    hook = register_module_forward_hook(lambda module, *_: called.add(module))
    with hook, torch.inference_mode():
        _run_to(network, cut, probe)
    names = [name for name, module in network.named_modules() if module in called]
    return [name for name in names if not any(name.startswith(f"{other}.") for other in names)]

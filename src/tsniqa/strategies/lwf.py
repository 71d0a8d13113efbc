"""LwF: learning without forgetting; old heads are held to what they said of the new images.

Sources: Li and Hoiem, ECCV 2016 (arXiv 1606.09282); for quality, *Continual Learning for Blind
Image Quality Assessment* (Zhang et al., IEEE TPAMI 2023, arXiv 2102.09717), whose proposed method
it is and whose released code this follows: before step two network and old heads are copied; for
every pair of the new task each copied head's probability is the soft target of its living
counterpart, by the fidelity loss. The old heads learn along, so that all heads evolve with new
data. The loss is summed over old heads, not divided by their number.

There one rate serves all. Where a schedule trains new heads faster than the network, old heads
learn at the network's rate: they start where their loss is least, and Adam's first steps, which are
as long as the rate whatever the gradient, would throw them out of it.

The copy is in evaluation mode, as there. With batch statistics in step two the living network is
not, and differs from its copy from the start.
"""

import copy
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from tsniqa.data.task import Task
from tsniqa.model.backbone import Backbone
from tsniqa.model.fidelity import fidelity_loss, thurstone
from tsniqa.model.heads import LinearHead
from tsniqa.strategies.multihead import MultiHead
from tsniqa.strategies.protocol import Learned
from tsniqa.training.pairs import PairBatch
from tsniqa.training.trainer import ExtraLoss

WEIGHT = 10.0
"""The released code's."""


class Distillation:
    """weight x sum over old heads of the mean fidelity loss to what they said before.

    Attributes:
        backbone: Frozen copy of the network as it was.
        copies: Frozen copies of the old heads as they were.
        heads: The old heads, live.
        weight: What multiplies the sum.
    """

    def __init__(self, backbone: Backbone, heads: Sequence[LinearHead], weight: float) -> None:
        self.backbone = copy.deepcopy(backbone).eval().requires_grad_(False)
        self.copies = [copy.deepcopy(head).to(backbone.device) for head in heads]
        self.heads = list(heads)
        self.weight = weight

    def __call__(
        self, batch: PairBatch, inputs: Tensor, features: Tensor, task_loss: Tensor
    ) -> Tensor:
        """Return the weighted loss of a batch's pairs."""
        device = inputs.device.type
        # In the precision of the living network, so that nothing but learning tells them apart.
        with torch.no_grad():
            with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
                before = self.backbone.features(inputs).head.float()
            target = pair_probabilities(self.copies, before, batch)
        loss = fidelity_loss(pair_probabilities(self.heads, features, batch), target)
        return self.weight * loss.mean(1).sum()

    def after_step(self) -> None:
        """Do nothing."""


def pair_probabilities(heads: Sequence[LinearHead], features: Tensor, batch: PairBatch) -> Tensor:
    """Return each head's probability [K, P] that the first image of a pair is better.

    Args:
        heads: K heads.
        features: Features [B, C] of the batch's images.
        batch: The pairs.
    """
    quality = torch.stack([head(features) for head in heads])
    return thurstone(quality[:, batch.first], quality[:, batch.second])


class LwF(MultiHead):
    """Multi-head fine-tuning that distils the old heads on the new task's images."""

    name: ClassVar[str] = "lwf"
    default_weight: ClassVar[float | None] = WEIGHT

    def _old(self) -> list[LinearHead]:
        """Return the old heads in name order, since a stored state may not keep theirs."""
        return [self.heads_[name] for name in self.head_names]

    def learn(self, task: Task, seen: Sequence[Task]) -> Learned:
        """Learn a task while the old heads are part of the network.

        So step two trains them at the network's rate, and its best state includes theirs.
        """
        network = self.backbone.network
        network.old_heads = nn.ModuleList(self._old()).to(self.backbone.device)
        try:
            return super().learn(task, seen)
        finally:
            network.old_heads.cpu().requires_grad_(True)
            del network.old_heads

    def extra_loss(self, task: Task, seen: Sequence[Task], head: LinearHead) -> ExtraLoss | None:
        """Return the distillation of the old heads; the first task has none."""
        if not self.heads_:
            return None
        weight = self.setting.weight_or(self.default_weight)
        return Distillation(self.backbone, self._old(), weight)

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
"""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from tsniqa.data.task import Task
from tsniqa.model.fidelity import fidelity_loss, thurstone
from tsniqa.model.heads import LinearHead
from tsniqa.strategies.multihead import MultiHead
from tsniqa.training.pairs import PairBatch
from tsniqa.training.trainer import Batch, crop_features


class LwF(MultiHead):
    """Multi-head fine-tuning that distils the old heads on the new task's images.

    For every task, multi-head fine-tuning fits a new head to the network as it is (step one), calls
    ``before_task``, and then trains head, network and ``companions`` together (step two), where
    ``extra_loss`` is added to the pair loss of every batch of the new task.
    """

    name = "lwf"
    default_weight = 10.0  # the released code's

    def old_heads(self) -> list[LinearHead]:
        """Return the old heads in name order, since a stored state may not keep theirs."""
        return [self.model.heads[name] for name in self.model.tasks]

    def companions(self) -> list[tuple[nn.Module, float]]:
        """Let the old heads learn along, at the network's rate."""
        return [(nn.ModuleList(self.old_heads()), self.finetune_schedule().learning_rate)]

    def before_task(self, task: Task, seen: Sequence[Task]) -> None:
        """Copy network and old heads; in evaluation mode even where the living network is not."""
        self.before = copy.deepcopy(self.backbone).eval().requires_grad_(False)
        self.copies = [copy.deepcopy(head).to(self.backbone.device) for head in self.old_heads()]

    def extra_loss(self, batch: Batch, task_loss: Tensor) -> Tensor | None:
        """Return weight x sum over old heads of the mean fidelity loss to what they said before."""
        if not self.copies:
            return None
        with torch.no_grad():
            before = crop_features(self.before, batch.inputs)
            target = pair_probabilities(self.copies, before, batch.pairs)
        now = pair_probabilities(self.old_heads(), batch.features, batch.pairs)
        return self.weight * fidelity_loss(now, target).mean(1).sum()


def pair_probabilities(heads: Sequence[LinearHead], features: Tensor, pairs: PairBatch) -> Tensor:
    """Return each head's probability [K, P] that the first image of a pair is better.

    Args:
        heads: K heads.
        features: Features [B, C] of the batch's images.
        pairs: Positions within the batch.
    """
    quality = torch.stack([head(features) for head in heads])
    return thurstone(quality[:, pairs.first], quality[:, pairs.second])

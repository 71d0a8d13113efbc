"""iCaRL for quality, first variant: old heads are held to what they said of remembered images.

Sources: Rebuffi, Kolesnikov, Sperl and Lampert, CVPR 2017 (arXiv 1611.07725); for quality, the
released code of *Continual Learning for Blind Image Quality Assessment* (Zhang et al., IEEE TPAMI
2023, arXiv 2102.09717; ``LwF_Replay`` with ``icarl`` and without ``new_replay``), which keeps of
iCaRL the distillation on a memory, and neither its choice of exemplars nor its classifier. Before
step two network and old heads are copied. At every step the copy's probability of each pair of
remembered images (:mod:`tsniqa.strategies.memory`), under the head of the task they come from, is
the soft target of living network and head, by the fidelity loss. Labels of remembered images
are not used, and images of the new task are not distilled. Old heads learn along as they do in
LwF (:mod:`tsniqa.strategies.lwf`), whose replay this is.

The copy is in evaluation mode, as there. With batch statistics in step two the living network is
not, and differs from its copy from the start.
"""

import copy
from collections.abc import Iterator, Sequence
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from tsniqa.data.task import Task
from tsniqa.model.backbone import Backbone
from tsniqa.model.fidelity import fidelity_loss
from tsniqa.model.heads import LinearHead
from tsniqa.strategies.lwf import LwF, pair_probabilities
from tsniqa.strategies.memory import memories
from tsniqa.strategies.replay import Replay
from tsniqa.training.pairs import PairBatch
from tsniqa.training.trainer import ExtraLoss

WEIGHT = 10.0
"""The released code's, on the sum over old tasks."""


class Replayed(NamedTuple):
    """A batch of one memory under the living network.

    Attributes:
        pairs: Positions within the batch, and labels.
        features: Features [B, C], with gradient.
        loss: Mean fidelity loss of the pairs to what the copy says, with gradient.
    """

    pairs: PairBatch
    features: Tensor
    loss: Tensor


class ReplayDistillation:
    """weight x sum over old tasks of the mean fidelity loss to what their heads said before.

    Attributes:
        backbone: The network, live.
        before: Frozen copy of the network as it was.
        heads: The old heads, live; one for every memory.
        copies: Frozen copies of the old heads as they were.
        replay: Batches of the memories.
        weight: What multiplies the sum.
    """

    def __init__(
        self, backbone: Backbone, heads: Sequence[LinearHead], replay: Replay, weight: float
    ) -> None:
        self.backbone = backbone
        self.before = copy.deepcopy(backbone).eval().requires_grad_(False)
        self.heads = list(heads)
        self.copies = [copy.deepcopy(head).to(backbone.device) for head in heads]
        self.replay = replay
        self.weight = weight

    def __call__(
        self, batch: PairBatch, inputs: Tensor, features: Tensor, task_loss: Tensor
    ) -> Tensor:
        """Return the weighted loss of the next batch of every memory."""
        return self.weight * sum((one.loss for one in self.replayed()), task_loss.new_zeros(()))

    def replayed(self) -> Iterator[Replayed]:
        """Yield the next batch of every memory that has pairs."""
        device = self.backbone.device.type
        for head, former, (pairs, crops) in zip(self.heads, self.copies, self.replay, strict=True):
            if not len(pairs.target):
                continue
            inputs = self.backbone.preprocess(crops)
            # Both in the precision of step two, so that nothing but learning tells them apart.
            with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
                features = self.backbone.features(inputs).head.float()
                with torch.no_grad():
                    old = self.before.features(inputs).head.float()
            with torch.no_grad():
                target = pair_probabilities([former], old, pairs)
            loss = fidelity_loss(pair_probabilities([head], features, pairs), target).mean()
            yield Replayed(pairs, features, loss)

    def after_step(self) -> None:
        """Do nothing."""


class ICaRLv1(LwF):
    """Multi-head fine-tuning that distils every old head on the memory of its task."""

    name: ClassVar[str] = "icarl-v1"
    default_weight: ClassVar[float | None] = WEIGHT

    def extra_loss(self, task: Task, seen: Sequence[Task], head: LinearHead) -> ExtraLoss | None:
        """Return the distillation of the old heads; the first task has none."""
        return self.distillation(task, seen) if seen else None

    def distillation(self, task: Task, seen: Sequence[Task]) -> ReplayDistillation:
        """Copy the present network and old heads, and open the memory of the seen tasks."""
        memory = memories(self.setting, task, seen)
        seed = self.setting.seed_for(task.name, "replay")
        replay = Replay(list(memory.values()), self.step_two(), seed)
        weight = self.setting.weight_or(self.default_weight)
        return ReplayDistillation(
            self.backbone, [self.heads_[name] for name in memory], replay, weight
        )

"""iCaRL for quality, second variant: the new head also learns the remembered images' labels.

Source: the released code of *Continual Learning for Blind Image Quality Assessment* (Zhang et al.,
IEEE TPAMI 2023, arXiv 2102.09717; ``LwF_Replay`` with ``icarl`` and ``new_replay``, its default).
To the first variant (:mod:`tsniqa.strategies.icarl_v1`) it adds that the new task's pairs and all
replayed ones, with their labels, form one batch, whose mean loss under the new head takes the place
of the new task's alone. So the new head is a head for all tasks; at test time the code takes
the plain mean of its score and the gated one, the use ``half``.

Where pairs are drawn, the mean is over pairs, as there. Where all images within a batch are
compared, the number of pairs grows with the square of the batch and small batches of memories
would hardly count; so every batch counts by its images, which for drawn pairs is the same. Every
batch passes the network by itself, so batch statistics are those of one task, where there they are
those of all batches joined.
"""

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from tsniqa.data.task import Task
from tsniqa.model.heads import LinearHead
from tsniqa.strategies.icarl_v1 import ICaRLv1, ReplayDistillation
from tsniqa.training.pairs import PairBatch
from tsniqa.training.trainer import ExtraLoss, batch_loss


class Rehearsal:
    """The first variant's loss, and what the remembered labels change of the new task's.

    Attributes:
        distillation: The first variant's loss.
        head: The new task's head, live.
    """

    def __init__(self, distillation: ReplayDistillation, head: LinearHead) -> None:
        self.distillation = distillation
        self.head = head

    def __call__(
        self, batch: PairBatch, inputs: Tensor, features: Tensor, task_loss: Tensor
    ) -> Tensor:
        """Return what turns the batch's own loss into that of the whole."""
        losses, images = [task_loss], [len(batch.indices)]
        distilled = task_loss.new_zeros(())
        for one in self.distillation.replayed():
            losses.append(batch_loss(self.head(one.features), one.pairs))
            images.append(len(one.pairs.indices))
            distilled = distilled + one.loss
        share = task_loss.new_tensor(images) / sum(images)
        joined = (share * torch.stack(losses)).sum()
        return joined - task_loss + self.distillation.weight * distilled

    def after_step(self) -> None:
        """Do nothing."""


class ICaRLv2(ICaRLv1):
    """The first variant whose new head learns from all memories, too."""

    name: ClassVar[str] = "icarl-v2"
    main_use: ClassVar[str] = "half"

    def extra_loss(self, task: Task, seen: Sequence[Task], head: LinearHead) -> ExtraLoss | None:
        """Return distillation and rehearsal; the first task has none."""
        return Rehearsal(self.distillation(task, seen), head) if seen else None

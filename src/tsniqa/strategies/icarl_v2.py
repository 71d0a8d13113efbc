"""iCaRL for quality, second variant: the new head also learns the remembered images' labels.

Source: the predecessor's released code (see :mod:`.multihead`; ``LwF_Replay`` with ``icarl`` and
``new_replay``, its default). To the first variant (:mod:`.icarl_v1`) it adds that the new task's
pairs and all replayed ones, with their labels, form one batch, whose mean loss under the new head
takes the place of the new task's alone. So the new head is a head for all tasks; at test time the
code takes the plain mean of its score and the gated one, the readout ``half``.

Where pairs are drawn, the mean is over pairs, as there. Where all images within a batch are
compared, the number of pairs grows with the square of the batch and small batches of memories
would hardly count; so every batch counts by its images, which for drawn pairs is the same. Every
batch passes the network by itself, so batch statistics are those of one task, where there they are
those of all batches joined.
"""

import torch
from torch import Tensor

from tsniqa.strategies.icarl_v1 import ICaRLv1
from tsniqa.training.trainer import Batch, quality_loss


class ICaRLv2(ICaRLv1):
    """The first variant whose new head learns from all memories, too."""

    name = "icarl-v2"
    main_readout = "half"

    def extra_loss(self, batch: Batch, task_loss: Tensor) -> Tensor | None:
        """Return the distillation, and what turns the batch's own loss into that of the whole."""
        if not self.copies:
            return None
        losses, images = [task_loss], [len(batch.pairs.indices)]
        distilled = task_loss.new_zeros(())
        for one, loss in self.distilled():
            losses.append(quality_loss(batch.head(one.features), one.pairs))
            images.append(len(one.pairs.indices))
            distilled = distilled + loss
        share = task_loss.new_tensor(images) / sum(images)
        joined = (share * torch.stack(losses)).sum()
        return joined - task_loss + self.weight * distilled

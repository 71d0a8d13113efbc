"""iCaRL for quality, second variant: the new head also learns the remembered images' labels.

Source: the predecessor's released code (see :mod:`.multihead`; ``LwF_Replay`` with ``icarl`` and
``new_replay``). To the first variant (:mod:`.icarl_v1`) it adds that the new task's pairs and all
replayed ones, with their labels, form one batch, whose mean loss under the new head takes the place
of the new task's. So the new head is a head for all tasks; the code then takes the plain mean of
its score and the gated one. There the mean is over pairs. Where all images in a batch are compared,
small batches would hardly count; so here they count by their images, which for drawn pairs is the
same. Batch statistics are those of one task, there of all.
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
        for one, loss in self.distilled(batch.epoch):
            losses.append(quality_loss(batch.head(one.features), one.pairs))
            images.append(len(one.pairs.indices))
            distilled = distilled + loss
        share = task_loss.new_tensor(images) / sum(images)
        joined = (share * torch.stack(losses)).sum()
        return joined - task_loss + self.weight * distilled

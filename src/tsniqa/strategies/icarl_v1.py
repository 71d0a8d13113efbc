"""iCaRL for quality, first variant: old heads are held to what they said of remembered images.

Sources: Rebuffi, Kolesnikov, Sperl and Lampert, CVPR 2017 (arXiv 1611.07725); for quality, the
predecessor's released code (see :mod:`.multihead`; ``LwF_Replay`` with ``icarl`` and without
``new_replay``), which keeps of iCaRL the distillation on a memory (:mod:`.memory`), and neither its
choice of exemplars nor its classifier. It is LwF (:mod:`.lwf`), but the pairs to distil are those
of remembered images, under the head of the task they come from; labels are not used.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from tsniqa.data.task import Task
from tsniqa.model.fidelity import fidelity_loss
from tsniqa.strategies.lwf import LwF, pair_probabilities
from tsniqa.strategies.replay import Replay
from tsniqa.training.trainer import Batch, crop_features


class ICaRLv1(LwF):
    """Multi-head fine-tuning that distils every old head on the memory of its task."""

    name = "icarl-v1"
    default_weight = 10.0  # the released code's, on the sum over old tasks

    def before_task(self, task: Task, seen: Sequence[Task]) -> None:
        """Copy network and old heads, and open the memory of the seen tasks."""
        super().before_task(task, seen)
        if not seen:
            return
        seed = self.context.seed_for(task.name, "replay")
        memory = self.as_sources(self.memories(task, seen), "train")
        released = self.context.schedule.released
        self.replay = Replay(memory, self.finetune_schedule(), seed, released)

    def distilled(self, epoch: int) -> Iterator[tuple[Batch, Tensor]]:
        """Yield the next batch of every memory, and its mean loss to what its head said before."""
        for former, batch in zip(
            self.copies, self.replay.batches(self.backbone, epoch), strict=True
        ):
            if batch is None:
                continue
            with torch.no_grad():
                said = crop_features(self.before, batch.inputs)
                target = pair_probabilities([former], said, batch.pairs)
            now = pair_probabilities([batch.head], batch.features, batch.pairs)
            yield batch, fidelity_loss(now, target).mean()

    def extra_loss(self, batch: Batch, task_loss: Tensor) -> Tensor | None:
        """Return weight x sum over old tasks of the mean loss; the first task has none."""
        if not self.copies:
            return None
        zero = task_loss.new_zeros(())
        return self.weight * sum((loss for _, loss in self.distilled(batch.epoch)), zero)

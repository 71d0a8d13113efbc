"""Affine-only: TSN with gamma and beta of every task, on the initial running statistics.

The control that parts TSN's two ingredients, trained affine parameters and statistics of the task's
own images. Where the schedule keeps the statistics anyway, it scores as TSN does, bit for bit.
"""

from tsniqa.strategies.tsn import TSN
from tsniqa.training.schedules import FinetuneSchedule


class AffineOnly(TSN):
    """Learn gamma, beta and a head for every task."""

    name = "affine-only"
    select = "affine"

    def finetune_schedule(self) -> FinetuneSchedule:
        """Return TSN's schedule, but with the running statistics kept."""
        return self.context.schedule.normalization.model_copy(update={"bn_statistics": "kept"})

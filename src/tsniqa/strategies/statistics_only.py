"""Statistics-only: running statistics of the task's images, on the initial gamma and beta.

The other half of what :mod:`.affine_only` parts: adaptation without any learning of the network.
Where the schedule keeps the statistics, they are collected in the first epoch.
"""

from collections.abc import Sequence

from torch import nn

from tsniqa.strategies.tsn import TSN
from tsniqa.training.schedules import FinetuneSchedule


class StatisticsOnly(TSN):
    """Collect the statistics of every task's images, and learn a head."""

    name = "statistics-only"
    select = "statistics"

    def finetune_schedule(self) -> FinetuneSchedule:
        """Return TSN's schedule, in which some epoch collects statistics."""
        schedule = super().finetune_schedule()
        if schedule.bn_statistics != "kept":
            return schedule
        return schedule.model_copy(update={"bn_statistics": "first-epoch"})

    def trained(self) -> Sequence[nn.Parameter]:
        """Return nothing: step two trains the head, while statistics are collected."""
        return []

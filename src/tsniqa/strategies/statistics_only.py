"""Statistics-only: running statistics of the task's images, on the initial gamma and beta.

The other half of what :mod:`.affine_only` parts: adaptation without any learning of the network.
"""

from collections.abc import Sequence

from torch import nn

from tsniqa.strategies.tsn import TSN


class StatisticsOnly(TSN):
    """Collect the statistics of every task's images, and learn a head."""

    name = "statistics-only"
    select = "statistics"

    def trained(self) -> Sequence[nn.Parameter]:
        """Return nothing: step two trains the head, while statistics are collected."""
        return []

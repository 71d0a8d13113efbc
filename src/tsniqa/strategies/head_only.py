"""Head-only: everything frozen but one head a task; TSN's step one and nothing more.

The control that shows what task-specific normalization adds.
"""

from tsniqa.strategies.tsn import TSN


class HeadOnly(TSN):
    """Learn a head for every task on the unchanged network."""

    name = "head-only"
    select = "nothing"

    def finetune_schedule(self) -> None:
        """Return None: there is no step two."""

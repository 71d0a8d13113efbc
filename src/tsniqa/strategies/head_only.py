"""Head-only: TSN's step one alone; the control that shows what normalization adds."""

from tsniqa.strategies.tsn import TSN


class HeadOnly(TSN):
    """Learn a head for every task on the unchanged network."""

    name = "head-only"
    select = "nothing"

    def finetune_schedule(self) -> None:
        """Return None: there is no step two."""

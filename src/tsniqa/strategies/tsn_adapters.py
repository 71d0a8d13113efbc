"""TSN with adapters: each task also owns a low-rank update of every dense filter.

This study's own strategy. Whatever a task owns apart from all others keeps what TSN promises (no
forgetting, the same model for every order, exact merging); normalization is the smallest useful
choice and whole networks the largest. This one lies between, see :mod:`tsniqa.model.adapters`.
"""

from tsniqa.errors import ConfigError
from tsniqa.model.normalization import RANKS
from tsniqa.strategies.tsn import TSN


class TSNAdapters(TSN):
    """Learn normalization, low-rank adapters and a head for every task."""

    name = "tsn-adapters"
    default_weight = 2.0  # the rank

    @property
    def select(self) -> str:
        """Name the selection of the rank, which is the strategy's main weight.

        Raises:
            ConfigError: There is no such rank.
        """
        if self.weight not in RANKS:
            raise ConfigError(
                f"tsn-adapters: the weight is a rank, one of {', '.join(map(str, RANKS))}, "
                f"not {self.weight:g}; change weights.tsn-adapters"
            )
        return f"low-rank-{self.weight:.0f}"

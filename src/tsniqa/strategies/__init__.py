"""Ways to learn a sequence of tasks, one file each, all behind one protocol."""

from tsniqa.errors import unknown_name
from tsniqa.strategies.head_only import HeadOnly
from tsniqa.strategies.joint import Joint
from tsniqa.strategies.multihead import MultiHead
from tsniqa.strategies.protocol import Learned, ParameterCount, Strategy
from tsniqa.strategies.separate import Separate
from tsniqa.strategies.sequential import Sequential
from tsniqa.strategies.tsn import TSN

STRATEGIES: dict[str, type[Strategy]] = {
    strategy.name: strategy for strategy in (TSN, HeadOnly, Sequential, Joint, Separate, MultiHead)
}
"""All strategies by name; a new one is one more file and one more name here."""

__all__ = ["STRATEGIES", "Learned", "ParameterCount", "Strategy", "find_strategy"]


def find_strategy(name: str) -> type[Strategy]:
    """Return the strategy of a name.

    Raises:
        ConfigError: There is no such strategy.
    """
    if name not in STRATEGIES:
        raise unknown_name("strategy", name, STRATEGIES)
    return STRATEGIES[name]

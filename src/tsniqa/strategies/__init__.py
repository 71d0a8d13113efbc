"""Ways to learn a sequence of tasks, one file each, all behind one protocol."""

from tsniqa.errors import unknown_name
from tsniqa.strategies.affine_only import AffineOnly
from tsniqa.strategies.base import Learned, ParameterCount, Strategy
from tsniqa.strategies.ewc import EWC
from tsniqa.strategies.gdumb import GDumb
from tsniqa.strategies.head_only import HeadOnly
from tsniqa.strategies.icarl_v1 import ICaRLv1
from tsniqa.strategies.icarl_v2 import ICaRLv2
from tsniqa.strategies.joint import Joint
from tsniqa.strategies.lwf import LwF
from tsniqa.strategies.mas import MAS
from tsniqa.strategies.multihead import MultiHead
from tsniqa.strategies.piggyback import Piggyback
from tsniqa.strategies.replay_multihead import ReplayMultiHead
from tsniqa.strategies.replay_shared import ReplayShared
from tsniqa.strategies.ridge import Ridge
from tsniqa.strategies.separate import Separate
from tsniqa.strategies.sequential import Sequential
from tsniqa.strategies.si import SI
from tsniqa.strategies.statistics_only import StatisticsOnly
from tsniqa.strategies.tsn import TSN
from tsniqa.strategies.tsn_adapters import TSNAdapters
from tsniqa.strategies.tsn_depthwise import TSNDepthwise
from tsniqa.strategies.tsn_shared_prefix import TSNSharedPrefix
from tsniqa.strategies.unique import Unique

FAMILIES: dict[str, tuple[type[Strategy], ...]] = {
    "isolation": (
        TSN,
        TSNAdapters,
        TSNDepthwise,
        TSNSharedPrefix,
        AffineOnly,
        StatisticsOnly,
        HeadOnly,
        Ridge,
        Piggyback,
    ),
    "no defence": (Sequential, MultiHead),
    "regularisation": (LwF, EWC, SI, MAS),
    "replay": (ReplayShared, ReplayMultiHead, ICaRLv1, ICaRLv2, GDumb),
    "bounds": (Joint, Unique, Separate),
}
"""All strategies by how they keep what they know; a new one is one more file and one name here."""
STRATEGIES = {strategy.name: strategy for family in FAMILIES.values() for strategy in family}

__all__ = ["FAMILIES", "STRATEGIES", "Learned", "ParameterCount", "Strategy", "find_strategy"]


def find_strategy(name: str) -> type[Strategy]:
    """Return the strategy of a name.

    Raises:
        ConfigError: There is no such strategy.
    """
    if name not in STRATEGIES:
        raise unknown_name("strategy", name, STRATEGIES)
    return STRATEGIES[name]

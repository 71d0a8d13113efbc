"""TSN with depthwise filters: each task also owns the filters that see one channel each."""

from tsniqa.strategies.tsn import TSN


class TSNDepthwise(TSN):
    """Learn normalization, depthwise filters and a head for every task."""

    name = "tsn-depthwise"
    select = "depthwise"

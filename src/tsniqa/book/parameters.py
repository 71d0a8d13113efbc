"""Notebook parameters: unknown names are refused."""

from collections.abc import Mapping
from typing import Any

from tsniqa.errors import unknown_name

_OF_IPYTHON = {"In", "Out", "get_ipython", "exit", "quit", "open"}


def reject_unknown(namespace: Mapping[str, Any], *known: str) -> None:
    """Refuse parameters that the notebook does not have; papermill itself only warns.

    Call it in the first cell after the parameters, when nothing else has a name yet.

    Args:
        namespace: The notebook's ``globals()``.
        *known: Names of all parameters.

    Raises:
        ConfigError: A misspelt parameter was passed; the message lists the valid ones.
    """
    for name in namespace:
        if not name.startswith("_") and name not in {*known, *_OF_IPYTHON, "reject_unknown"}:
            raise unknown_name("parameter", name, known)

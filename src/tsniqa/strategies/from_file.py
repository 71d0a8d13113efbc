"""A strategy from a Python file anywhere, to try it before it becomes part of the package."""

import re
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from tsniqa.errors import ConfigError, one_line
from tsniqa.strategies import STRATEGIES, Strategy


def load_strategy(path: Path) -> type[Strategy]:
    """Execute a Python file and return the one strategy that it defines.

    The strategy is the one class defined in the file (not imported by it) that has a ``name`` of
    its own. To run it, register it for the process: ``STRATEGIES[strategy.name] = strategy``.

    Args:
        path: The file. It is executed, so it must be one you trust.

    Raises:
        ConfigError: The file is missing or cannot be executed, defines no strategy or several, or
            one that is no :class:`Strategy` or takes the name (and so the records) of another.
    """
    module = _execute(path)
    own = [value for value in vars(module).values() if isinstance(value, type)]
    own = [one for one in own if one.__module__ == module.__name__ and "name" in vars(one)]
    own = [one for one in own if issubclass(one, Strategy)] or own  # not its helpers
    if len(own) != 1:
        names = ", ".join(one.__name__ for one in own) or "none"
        raise ConfigError(
            f"{path} must define one class with a 'name' of its own, and defines {names}"
        )
    strategy = own[0]
    if not issubclass(strategy, Strategy):
        raise ConfigError(
            f"{path}: '{strategy.name}' is no strategy; derive it from "
            "tsniqa.strategies.Strategy, or from a strategy such as MultiHead"
        )
    if not (isinstance(strategy.name, str) and re.fullmatch(r"[\w-]+", strategy.name)):
        raise ConfigError(
            f"{path}: a strategy cannot be called {strategy.name!r}; take letters, digits and -"
        )
    known = STRATEGIES.get(strategy.name, strategy).__module__
    if known != strategy.__module__:
        raise ConfigError(
            f"{path}: there is a strategy '{strategy.name}' already, in {known}; take another name"
        )
    return strategy


def _execute(path: Path) -> ModuleType:
    """Import a file under a name that can hide no other module."""
    if not path.is_file():
        raise ConfigError(f"no strategy file at {path}; name a Python file")
    name = f"tsniqa_strategy_{path.stem}"
    spec = spec_from_file_location(name, path)
    if spec is None:
        raise ConfigError(f"{path} is no Python file; its name must end in .py")
    module = module_from_spec(spec)
    sys.modules[name] = module  # where classes look up their own module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        what = f"{type(error).__name__}: {one_line(error)}"
        raise ConfigError(f"{path} failed: {what}") from error
    return module

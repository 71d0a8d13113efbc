"""Notebook parameters: unknown names are refused, values become a run configuration."""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from pydantic import ValidationError

from tsniqa.errors import ConfigError, unknown_name
from tsniqa.study.record import RunConfig

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


def run_config(
    preset: str,
    strategy: str,
    task_order: Sequence[str] | str | None = None,
    seed: int = 0,
    split: str = "given",
    backbone: str | None = None,
    overrides: dict[str, Any] | None = None,
    splits_from: str | None = None,
) -> RunConfig:
    """Turn notebook parameters into a run configuration.

    Args:
        preset: Name of a preset.
        strategy: Name of a strategy.
        task_order: Task names, also as one string with commas; None is the preset's order.
        seed: Seed of the run.
        split: ``"given"`` or ``"0"`` to ``"9"``.
        backbone: Name or path of a backbone card; None or an empty string is the preset's.
        overrides: New preset values by dotted path.
        splits_from: Folder of published split files; None or an empty string is none.

    Raises:
        ConfigError: A value has the wrong type.
    """
    if isinstance(task_order, str):
        task_order = [name.strip() for name in task_order.split(",") if name.strip()]
    try:
        return RunConfig(
            preset=preset,
            strategy=strategy,
            task_order=task_order,
            seed=seed,
            split=str(split),
            backbone=backbone or None,
            overrides=overrides or {},
            splits_from=splits_from or None,
        )
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"parameter {field}: {first['msg']}; correct its value") from error


def overrides(changes: Sequence[str]) -> dict[str, Any]:
    """Parse changes of a preset as the command line takes them.

    Args:
        changes: ``"path=value"`` each, for instance ``"schedule.head.epochs=2"``; values are YAML.

    Returns:
        Values by dotted path.

    Raises:
        ConfigError: One has no ``=``, or its value is no YAML.
    """
    parsed = {}
    for change in changes:
        path, equals, value = change.partition("=")
        try:
            parsed[path.strip()] = yaml.safe_load(value)
        except yaml.YAMLError:
            equals = ""
        if not (equals and path.strip()):
            raise ConfigError(
                f"'{change}' is no change of a preset; write for instance schedule.head.epochs=2"
            )
    return parsed

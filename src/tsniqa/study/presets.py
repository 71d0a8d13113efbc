"""Presets: everything a run needs but the strategy, the order and the seed, in one YAML file."""

from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, NonNegativeFloat, PositiveInt, ValidationError

from tsniqa.errors import ConfigError, unknown_name
from tsniqa.paths import shipped
from tsniqa.training.context import GateOptions
from tsniqa.training.schedules import Schedule


class Preset(BaseModel):
    """A complete, named set of choices.

    Attributes:
        name: The preset's name, that of its file.
        description: One sentence for users.
        tasks: The default task order.
        backbone: Name or path of the backbone card.
        threads: CPU threads of a run; fixed, because the last bits of results depend on it.
        shorter_side: Larger images are resized to this shorter side in pixels, or None.
        gate: Options of the gate.
        schedule: How a task is learned.
        weights: The main weight of strategies that have one, by strategy; others take their
            published default.
        importance: See :class:`tsniqa.training.context.Setting`.
        memory: Images that strategies with replay may remember in all.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    description: str
    tasks: tuple[str, ...]
    backbone: str
    threads: PositiveInt
    shorter_side: PositiveInt | None
    gate: GateOptions
    schedule: Schedule
    weights: dict[str, NonNegativeFloat] = {}
    importance: Literal["derived", "released"] = "derived"
    memory: PositiveInt = 1000


def preset_names() -> list[str]:
    """Return the names of all shipped presets, sorted."""
    return sorted(path.stem for path in shipped("presets").glob("*.yml"))


def load_preset(name: str, overrides: dict[str, Any] | None = None) -> Preset:
    """Read a preset and change some of its fields.

    Args:
        name: Name of a file in ``data/presets``.
        overrides: New values by dotted path, for instance
            ``{"schedule.normalization.epochs": 2}``.

    Raises:
        ConfigError: The preset or a path is unknown, or a value is out of range.
    """
    if name not in preset_names():
        raise unknown_name("preset", name, preset_names())
    content = {"name": name, **yaml.safe_load((shipped("presets") / f"{name}.yml").read_text())}
    for path, value in (overrides or {}).items():
        _replace(content, path, value)
    try:
        return Preset.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        # A place within a union also names the member that was tried, with a space in it.
        field = ".".join(str(part) for part in first["loc"] if " " not in str(part))
        raise ConfigError(f"preset '{name}': {field}: {first['msg']}; correct the value") from error


def _replace(content: dict[str, Any], path: str, value: object) -> None:
    """Replace one existing value of nested mappings."""
    *parents, last = path.split(".")
    place = content
    for key in parents:
        place = place.get(key) if isinstance(place, dict) else None
    if not isinstance(place, dict) or last not in place:
        raise unknown_name("override", path, _paths(content))
    place[last] = value


def _paths(content: dict[str, Any], prefix: str = "") -> list[str]:
    paths = []
    for key, value in content.items():
        path = f"{prefix}{key}"
        paths += _paths(value, f"{path}.") if isinstance(value, dict) else [path]
    return paths

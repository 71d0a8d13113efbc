"""Configurations: what a user asks for, resolved once into everything a run needs to know."""

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import reduce
from inspect import getfile
from operator import getitem
from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
)

from tsniqa.cards import COMPUTED_FIELDS, BackboneCard, HeadFeature, load_card
from tsniqa.data import load_task
from tsniqa.data.splits import with_training_images
from tsniqa.data.task import Task, check_task
from tsniqa.errors import ConfigError, invalid_content, unknown_name
from tsniqa.paths import file_digest, remembered_digest, resolve, shipped
from tsniqa.pixels import SHORTER_SIDE
from tsniqa.runtime import find_device
from tsniqa.strategies import find_strategy
from tsniqa.training.context import GateOptions, Schedule

RESULTS_VERSION = 2  # raised by hand when a change of the code changes results

Given = Annotated[str | None, BeforeValidator(lambda value: value or None)]  # "" is None, too


class Preset(BaseModel):
    """A complete, named set of choices: all a run needs but strategy, order and seed."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: str  #: that of its file
    description: str  #: one sentence for users
    tasks: tuple[str, ...]  #: the default task order
    backbone: str  #: name or path of the backbone card
    #: Of the CPU; fixed, because the last bits of results depend on it.
    threads: int = Field(ge=1, le=256)
    shorter_side: PositiveInt | None  #: of larger images in pixels; None: as models, 768
    gate: GateOptions
    #: How heads are mixed where a strategy's source leaves it to the gate, and by saved models.
    readout: Literal["gated", "calibrated"] = "calibrated"
    schedule: Schedule
    weights: dict[str, NonNegativeFloat] = {}  #: main weights by strategy, else the published ones
    rates: dict[str, PositiveFloat] = {}  #: of the network by strategy, else the schedule's
    head_feature: HeadFeature | None = None  #: in place of the backbone card's
    #: How EWC, SI and MAS judge parameters: as their papers derive it, or as the authors of the
    #: predecessor's released code do.
    importance: Literal["derived", "released"] = "derived"
    memory: PositiveInt = 1000  #: images that strategies with replay may remember in all

    @property
    def image_side(self) -> int:
        """The shorter side that larger images are shrunk to, in learning and in saved models."""
        return self.shorter_side or SHORTER_SIDE


class RunConfig(BaseModel):
    """What a user asks for; :func:`run_config` reports mistakes in one line."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)

    preset: str = "mini"
    strategy: str = "tsn"
    task_order: tuple[str, ...] | None = None  #: tasks as they are learned; None: the preset's
    seed: NonNegativeInt = 0  #: of everything random; also draws the images of simulated tasks
    split: str = "given"  #: "given" in the table, or "0" to "9": a seeded 70/10/20 split
    backbone: Given = None  #: name or path of a card; None (or ""): the preset's
    overrides: dict[str, Any] = {}  #: new preset values by dotted path
    splits_from: Given = None  #: folder of published split files in place of the split
    training_images: PositiveInt | None = None  #: of every task, drawn by the seed; None: all
    allow_overlap: bool = False  #: whether parts of a task's split may share images or contents


@dataclass(frozen=True, eq=False)
class ResolvedRun:
    """A configuration with everything it names found and checked; nothing is computed yet."""

    config: RunConfig
    preset: Preset  #: with its overrides
    card: BackboneCard
    tasks: tuple[Task, ...]  #: in the order they are learned
    device: str
    run_id: str  #: readable words and a hash of everything that determines results


def run_config(**values: object) -> RunConfig:
    """Make a configuration from options or notebook parameters: fields of :class:`RunConfig`.

    A ConfigError says which field is unknown, or has a value of the wrong type or range.
    """
    try:
        return RunConfig.model_validate(values)
    except ValidationError as error:
        raise invalid_content("parameters", error) from error


def resolve_run(
    config: RunConfig, data_root: Path, device: str = "auto", preset: Preset | None = None
) -> ResolvedRun:
    """Find and check everything that a configuration names; no network is built.

    Args:
        config: What to run.
        data_root: Folder of datasets.
        device: ``"auto"``, or a torch device name.
        preset: In place of the one that is named, with its overrides.

    Raises:
        ConfigError: A name is unknown, the order is none, the memory is too small for its tasks, or
            there is no such device.
        DataError: A task's labels are unusable, or an image is missing.
    """
    preset = preset or load_preset(config.preset, config.overrides)
    find_strategy(config.strategy)
    order = preset.tasks if config.task_order is None else config.task_order
    check_order(order)
    if preset.memory < 2 * len(order):
        raise ConfigError(
            f"memory is {preset.memory}, which leaves some of {len(order)} tasks less than a pair "
            f"of images; give {2 * len(order)} or more"
        )
    card = load_card(config.backbone or preset.backbone)
    if preset.head_feature:
        card = card.model_copy(update={"head_feature": preset.head_feature})
    files = None if config.splits_from is None else resolve(config.splits_from)
    tasks = tuple(load_task(name, data_root, config.seed, config.split, files) for name in order)
    if config.training_images is not None:
        wanted = config.training_images
        tasks = tuple(with_training_images(task, wanted, config.seed) for task in tasks)
    for task in tasks:
        check_task(task, config.allow_overlap)
        for step in (preset.schedule.head, preset.schedule.normalization, preset.schedule.full):
            step.pairs_of(task.name)
    data = {task.name: task.fingerprint() for task in tasks}
    digest = identity(config, preset, card, data)
    run_id = f"{preset.name}-{config.strategy}-seed{config.seed}-{digest[:10]}"
    return ResolvedRun(config, preset, card, tasks, find_device(device), run_id)


def identity(config: RunConfig, preset: Preset, card: BackboneCard, data: dict[str, str]) -> str:
    """Return a sha256 (hex) of all that determines results, as resolved and not as it was spelled.

    Args:
        config: What was asked for.
        preset: The preset with its overrides.
        card: The backbone's; its weights are told by their checksum, or ``"hub"`` or ``"none"``.
        data: Fingerprints of the tasks by name, in the order they are learned.
    """
    weights = card.sha256 or card.weights
    if not card.sha256 and weights not in ("hub", "none"):
        with suppress(OSError):  # a missing file: loading the backbone says so
            weights = remembered_digest(Path(weights))
    left_out = {"description", "tasks", "backbone", "weights", "rates"}
    strategy = find_strategy(config.strategy)
    default = strategy.default_weight
    facts = {
        "config": config.model_dump(mode="json", include={"strategy", "seed", "split"}),
        "preset": preset.model_dump(mode="json", exclude=left_out),
        "weight": preset.weights.get(config.strategy, default),
        "rate": preset.rates.get(config.strategy),
        "card": card.model_dump(mode="json", include=COMPUTED_FIELDS),
        "backbone": weights,
        "data": list(data.items()),
        "version": RESULTS_VERSION,
    }
    if not strategy.__module__.startswith("tsniqa."):  # the package's own code has a digest
        facts["code"] = file_digest(Path(getfile(strategy)))
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def check_order(order: Sequence[str]) -> None:
    """Raise a ConfigError for an empty order, an empty name, or a task that is named twice."""
    if not order:
        raise ConfigError("the task order is empty; name at least one task, or leave it out")
    if not all(name.strip() for name in order):
        raise ConfigError("the task order has an empty name; put one comma between two names")
    if odd := [name for name in order if name.encode(errors="ignore").decode() != name]:
        raise ConfigError(f"the task order names {odd[0]!a}, no text; rename its folder")
    if repeated := sorted({name for name in order if order.count(name) > 1}):
        raise ConfigError(f"the task order names {', '.join(repeated)} twice; name each task once")
    folded = [name.casefold() for name in order]
    if alike := [name for name in order if folded.count(name.casefold()) > 1]:
        raise ConfigError(
            f"the tasks {' and '.join(alike)} differ in case alone, and are one on other disks;"
            " rename one"
        )


def preset_names() -> list[str]:
    """Return the names of all shipped presets, sorted."""
    return sorted(path.stem for path in shipped("presets").glob("*.yml"))


def load_preset(name: str, overrides: dict[str, Any] | None = None) -> Preset:
    """Read a preset and change some of its fields.

    Args:
        name: Name of a file in ``data/presets``.
        overrides: New values by dotted path, such as ``{"schedule.normalization.epochs": 2}``.

    Raises:
        ConfigError: The preset or a path is unknown, or a value is out of range.
    """
    if name not in preset_names():
        raise unknown_name("preset", name, preset_names())
    text = (shipped("presets") / f"{name}.yml").read_text(encoding="utf-8")
    content = yaml.safe_load(text)
    for path, value in (overrides or {}).items():
        *parents, last = path.split(".")
        try:
            place = reduce(getitem, parents, content)
            if parents in (["weights"], ["rates"]):
                find_strategy(last)  # each has one, whether or not the preset names it
            else:
                _ = place[last]  # only what is there may be replaced
            place[last] = value
        except (KeyError, TypeError):
            raise unknown_name("override", path, pd.json_normalize(content)) from None
    try:
        return Preset.model_validate({**content, "name": name})
    except ValidationError as error:
        raise invalid_content(f"preset '{name}'", error) from error


def parse_overrides(changes: Sequence[str]) -> dict[str, Any]:
    """Parse changes of a preset, such as ``"schedule.head.epochs=2"``, into values by dotted path.

    A ConfigError says which one has no ``=``, or a value that is no YAML.
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

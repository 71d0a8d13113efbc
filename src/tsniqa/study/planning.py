"""A run's plan: everything a configuration names, resolved and checked before it is computed."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from tsniqa.cards import COMPUTED_FIELDS, BackboneCard, load_card
from tsniqa.data import load_task
from tsniqa.data.cache import DecodedCache
from tsniqa.data.task import Task, check_task
from tsniqa.errors import ConfigError
from tsniqa.model.backbone import fingerprint, load_backbone
from tsniqa.paths import cache_folder, resolve
from tsniqa.runtime import find_device
from tsniqa.strategies import Strategy, find_strategy
from tsniqa.study.presets import Preset, load_preset
from tsniqa.study.record import RESULTS_VERSION, RunConfig
from tsniqa.training.context import TrainingContext


@dataclass
class Plan:
    """A configuration with everything it names resolved and checked."""

    config: RunConfig
    preset: Preset
    card: BackboneCard
    context: TrainingContext
    strategy: Strategy
    tasks: list[Task]
    fingerprints: dict[str, str]
    decoded: DecodedCache

    @property
    def run_id(self) -> str:
        """The run's identity: readable words and a hash of everything that determines results."""
        # Order and overrides count as they are resolved, not as they were spelled.
        identity = {
            "config": self.config.model_dump(mode="json", include={"strategy", "seed", "split"}),
            "preset": self.preset.model_dump(
                mode="json",
                exclude={"description", "tasks", "backbone", "weights", "importance", "memory"},
            ),
            "card": self.card.model_dump(mode="json", include=COMPUTED_FIELDS),
            "backbone": self.fingerprints["backbone"],
            "data": {task.name: task.fingerprint() for task in self.tasks},
            "order": [task.name for task in self.tasks],
            "version": RESULTS_VERSION,
        }
        # Of the weights this strategy's alone; what is as by default leaves the identity as it was.
        if self.context.weight is not None:
            identity["weight"] = self.context.weight
        if self.preset.importance != "derived":
            identity["importance"] = self.preset.importance
        if self.preset.memory != Preset.model_fields["memory"].default:
            identity["memory"] = self.preset.memory
        digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
        words = f"{self.preset.name}-{self.config.strategy}-seed{self.config.seed}"
        return f"{words}-{digest[:10]}"


def prepare(
    config: RunConfig, data_root: Path, device: str = "auto", cache: Path | None = None
) -> Plan:
    """Resolve and check a configuration before anything is computed.

    Args:
        config: What to run.
        data_root: Folder of datasets in the generic layout.
        device: ``"auto"``, or a torch device name.
        cache: Folder for features that runs share, or None.

    Raises:
        ConfigError: A name is unknown, the order is empty or repeats a task, there is no such
            device.
        DataError: A task's labels are unusable, or an image is missing.
        WeightsError: The backbone's weights are unusable.
    """
    preset = load_preset(config.preset, config.overrides)
    find_strategy(config.strategy)
    order = list(preset.tasks if config.task_order is None else config.task_order)
    check_order(order)
    card = load_card(config.backbone or preset.backbone)
    splits_from = None if config.splits_from is None else resolve(config.splits_from)
    tasks = [load_task(name, data_root, config.seed, config.split, splits_from) for name in order]
    for task in tasks:
        check_task(task)
        for step in (preset.schedule.head, preset.schedule.normalization, preset.schedule.full):
            step.pairs_of(task.name)
    backbone = load_backbone(card, find_device(device))
    decoded = DecodedCache(cache_folder("decoded"), preset.shorter_side)
    context = TrainingContext(
        backbone,
        preset.schedule,
        preset.gate,
        config.seed,
        preset.shorter_side,
        weight=preset.weights.get(config.strategy),
        importance=preset.importance,
        memory=preset.memory,
        feature_cache=cache,
        decoded=decoded,
    )
    fingerprints = {
        "backbone": fingerprint(dict(backbone.network.state_dict())),
        "filters before": backbone.filters_fingerprint(),
    }
    strategy = find_strategy(config.strategy)(context)
    return Plan(config, preset, card, context, strategy, tasks, fingerprints, decoded)


def check_order(order: list[str]) -> None:
    """Refuse an empty order and one that names a task twice.

    Raises:
        ConfigError: It is one of these.
    """
    if not order:
        raise ConfigError("the task order is empty; name at least one task, or leave it out")
    repeated = sorted({name for name in order if order.count(name) > 1})
    if repeated:
        raise ConfigError(f"the task order names {', '.join(repeated)} twice; name each task once")

"""What the study of gates reads: a record's heads, and features of the same tasks' images.

A gate sees the untouched reference network alone, so its features need no training and are the
same for all strategies. They are taken at two taps: ``before`` and ``after`` the rectifier with
which a stage ends. A stage that ends without one (the inverted bottlenecks of EfficientNet) is
rectified for the second; a stage that ends with one (ResNet) is tapped before it for the first.
"""

from dataclasses import dataclass, field, replace
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.utils.weak import WeakIdKeyDictionary

from tsniqa.data.cache import decode_tasks
from tsniqa.data.images import ImageSet
from tsniqa.data.task import PARTS
from tsniqa.errors import ConfigError
from tsniqa.model.backbone import Backbone
from tsniqa.pixels import batches
from tsniqa.runtime import reproducible
from tsniqa.study.record import RunRecord
from tsniqa.study.runner import training_context
from tsniqa.study.verifying import resolve_again

TAPS = ("before", "after")
Stages = tuple[np.ndarray, np.ndarray]  # float32 [n, C3] and [n, C4], L2-normalised


@dataclass
class GateInputs:
    """One finished run with one head a task; rows and columns are as in its record.

    Attributes:
        record: The run.
        features: By tap, part (train, val) and task, the two stages of its images.
        tests: By tap, the two stages of the N test images of all tasks, tasks in name order.
        mos: Float64 [N], their opinion scores.
        known: What was computed of them already.
    """

    record: RunRecord
    features: dict[str, dict[str, dict[str, Stages]]]
    tests: dict[str, Stages]
    mos: np.ndarray
    known: dict = field(default_factory=dict, repr=False)

    @property
    def heads(self) -> np.ndarray:
        """Scores of all heads, float64 [N, T]."""
        return np.stack([self.record.head(task) for task in self.record.names], axis=1)

    @property
    def rows(self) -> list[slice]:
        """Rows of the test images of every task."""
        return [self.record.rows(task) for task in self.record.names]

    @property
    def own(self) -> np.ndarray:
        """The column of each test image's own task, int [N]."""
        counts = [rows.stop - rows.start for rows in self.rows]
        return np.repeat(np.arange(len(counts)), counts)


def gate_inputs(record: RunRecord, data_root: Path, feature_cache: Path | None) -> GateInputs:
    """Compute, or find in a cache, the features that gates of a record's tasks can read.

    Raises:
        ConfigError: The strategy has no head a task, or one that a later task changes.
        DataError: The images or opinion scores here are not those of the run.
    """
    facts = record.description
    if not facts.gated or facts.order_dependent:
        raise ConfigError(
            f"run {facts.run_id}: strategy '{record.strategy}' has no heads that stay as they are; "
            "study gates on runs of tsn, head-only or ridge"
        )
    resolved = resolve_again(record, data_root)
    context = training_context(resolved, feature_cache)
    decode_tasks(resolved.tasks, context.decoded)
    in_name_order = sorted(resolved.tasks, key=lambda task: task.name)
    found = {tap: {part: {} for part in PARTS} for tap in TAPS}
    with reproducible(resolved.preset.threads):
        for task in in_name_order:
            # Features do not depend on the split, so all images are one part, whatever theirs is.
            whole = task.table.sort_values("image", ignore_index=True).assign(split="train")
            compute = partial(tap_features, context.backbone)
            stored = context.kept(replace(task, table=whole), "train", compute, "taps")
            for part, tap in product(PARTS, TAPS):
                rows = pd.Index(whole["image"]).get_indexer(task.part(part)["image"])
                own = tuple(stored[f"{tap} {stage}"].numpy()[rows] for stage in (3, 4))
                found[tap][part][task.name] = own
    tests = {
        tap: tuple(map(np.concatenate, zip(*parts.pop("test").values(), strict=True)))
        for tap, parts in found.items()
    }
    mos = np.concatenate([task.mos("test") for task in in_name_order])
    return GateInputs(record, found, tests, mos)


def tap_features(backbone: Backbone, images: ImageSet) -> dict[str, Tensor]:
    """Pool both gate stages of images at both taps, by name ("before 3"): float32 [N, C], CPU."""
    entered = WeakIdKeyDictionary()  # what a rectifier was given, pooled, by what it returned

    def pooled(maps: Tensor) -> Tensor:
        return normalize(maps.float().mean((2, 3)), dim=1)

    def rectified(module: nn.Module, given: tuple[Tensor], returned: Tensor) -> None:
        entered[returned] = waiting.pop()

    def keep(module: nn.Module, given: tuple[Tensor]) -> None:  # it may work in place
        waiting.append(pooled(given[0]) if given[0].dim() == 4 else given[0])

    waiting: list[Tensor] = []
    parts: dict[str, list[Tensor]] = {f"{tap} {stage}": [] for tap in TAPS for stage in (3, 4)}
    modules = [one for one in backbone.network.modules() if isinstance(one, nn.ReLU)]
    hooks = [one.register_forward_pre_hook(keep) for one in modules]
    hooks += [one.register_forward_hook(rectified) for one in modules]
    try:
        with torch.inference_mode():
            for batch in batches(images):
                inputs = backbone.preprocess(batch)
                _, maps = backbone.network.forward_intermediates(inputs)
                for stage, place in zip((3, 4), backbone.card.stages, strict=True):
                    own = maps[place]
                    before = entered.get(own)
                    parts[f"before {stage}"].append(pooled(own) if before is None else before)
                    parts[f"after {stage}"].append(pooled(own.relu()))
    finally:
        for hook in hooks:
            hook.remove()
    return {name: torch.cat(found).cpu() for name, found in parts.items()}

"""What a run hands to its strategy: data, reference network, schedules, seed."""

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from pydantic import BaseModel, PositiveFloat, PositiveInt
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from tsniqa.cards import COMPUTED_FIELDS
from tsniqa.data.cache import DecodedCache
from tsniqa.data.images import ImageSet
from tsniqa.data.task import Task
from tsniqa.model.backbone import Backbone, Features
from tsniqa.model.gating import AnalyticGate, KMeansGate
from tsniqa.model.normalization import everything
from tsniqa.paths import code_digest, written_whole
from tsniqa.pixels import SHORTER_SIDE
from tsniqa.runtime import instruction_sets
from tsniqa.scoring.features import image_features
from tsniqa.seeds import derive_seed
from tsniqa.storage import fingerprint
from tsniqa.training.schedules import Schedule


class GateOptions(BaseModel, extra="forbid", frozen=True, allow_inf_nan=False):
    """Options of both gates, :class:`.KMeansGate` and :class:`.AnalyticGate`, as they name them."""

    n_clusters: PositiveInt = 128
    n_init: PositiveInt = 20
    temperature: PositiveFloat = 32.0
    start: Literal["ward", "k-means++"] = "ward"
    penalty: PositiveFloat = 1e-2
    sharpness: PositiveFloat = 8.0

    def gates(self) -> tuple[KMeansGate, AnalyticGate]:
        """Return both gates with these options, and no task yet."""
        options = self.model_dump(exclude={"penalty", "sharpness"})
        return KMeansGate(**options), AnalyticGate(self.penalty, self.sharpness)


class LabelledImages(NamedTuple):
    """A part of a task: its n images, and what is known of them."""

    images: ImageSet
    mos: Tensor  # float32 [n]
    task: str = ""  # under which its pairs are counted
    references: np.ndarray | None = None  # the content that each image shows [n]


@dataclass
class TrainingContext:
    """Everything a strategy may use; it is the same for all strategies of a comparison.

    Attributes:
        backbone: The reference network, which nobody changes.
        shorter_side: Larger images are resized to this shorter side, as models do.
        weight: The strategy's one main weight, or None for its published default.
        importance: What EWC, SI and MAS accumulate, as in their papers or as in released code.
        memory: Images that strategies with replay may remember in all.
        feature_cache: Folder that keeps reference features, or None.
        decoded: Decoded images on disk, or None to decode into memory, as tasks made here are.
    """

    backbone: Backbone
    schedule: Schedule
    gate: GateOptions
    seed: int
    shorter_side: int = SHORTER_SIDE
    weight: float | None = None
    importance: Literal["derived", "released"] = "derived"
    memory: int = 1000
    feature_cache: Path | None = None
    decoded: DecodedCache | None = None
    _images: dict[tuple[str, str], LabelledImages] = field(default_factory=dict)

    def seed_for(self, *names: str) -> int:
        """Derive the seed of one purpose from the run's seed (never from a position)."""
        return derive_seed(self.seed, *names)

    def images(self, task: Task, part: str) -> LabelledImages:
        """Return a part (train, val or test) of a task."""
        key = (task.fingerprint(), part)
        if key not in self._images:
            cache = None if task.made_here else self.decoded
            own = {"cache": cache, "root": task.root, "device": self.backbone.device}
            images = ImageSet(task.paths(part), self.shorter_side, **own)
            mos = torch.tensor(task.mos(part), dtype=torch.float32)
            references = task.part(part)["reference"].astype(str).to_numpy()
            self._images[key] = LabelledImages(images, mos, task.name, references)
        return self._images[key]

    def reference_features(self, task: Task, part: str) -> Features:
        """Return features of a part on the reference network, kept on disk for all strategies."""

        def compute(images: ImageSet) -> dict[str, Tensor]:
            (third, fourth), head = image_features(self.backbone, images)
            return {"gate3": third, "gate4": fourth, "head": head}

        stored = self.kept(task, part, compute)
        return Features((stored["gate3"], stored["gate4"]), stored["head"])

    def kept(
        self,
        task: Task,
        part: str,
        compute: Callable[[ImageSet], dict[str, Tensor]],
        kind: str = "",
    ) -> dict[str, Tensor]:
        """Return what is computed of a part's images on the reference network, kept on disk.

        The tensors are found again by task, part and network, by ``kind``, which says what is
        computed, and by what computes: code, torch, processor. Without a ``feature_cache`` they are
        computed at every call.
        """
        images = self.images(task, part).images
        if self.feature_cache is None:
            return compute(images)
        card = self.backbone.card.model_dump(mode="json", include=COMPUTED_FIELDS)
        key = f"{fingerprint(everything(self.backbone.network))} {json.dumps(card, sort_keys=True)}"
        key += f" {self.backbone.device.type} {task.fingerprint()} {part} {self.shorter_side}{kind}"
        key += f" {code_digest()} torch {torch.__version__} {instruction_sets()}"
        name = hashlib.sha256(key.encode()).hexdigest()[:20]
        path = self.feature_cache / f"{task.name}-{part}-{name}.safetensors"
        try:
            return load_file(path)
        except (FileNotFoundError, NotADirectoryError, SafetensorError):
            tensors = compute(images)
        with suppress(OSError), written_whole(path) as partial:  # a full disk costs time alone
            partial.write_bytes(save(tensors))
        return tensors

"""Sequential fine-tuning: one network and one head, trained on one task after another.

The baseline without any defence against forgetting (``SH_CL`` in the released code of *Continual
Learning for Blind Image Quality Assessment*, IEEE TPAMI 2023, arXiv 2102.09717).
"""

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from tsniqa.data.images import ImageSet
from tsniqa.data.task import Task
from tsniqa.model.heads import LinearHead
from tsniqa.scoring.features import image_features
from tsniqa.strategies.protocol import Learned, ParameterCount
from tsniqa.strategies.states import network_state, part_of
from tsniqa.training.context import Setting
from tsniqa.training.schedules import ImageStep
from tsniqa.training.trainer import LabelledFeatures, learn_images, warm_up

HEAD = "shared"


class Sequential:
    """Continue training the same network and head on every new task."""

    name: ClassVar[str] = "sequential"
    all_at_once: ClassVar[bool] = False
    gated: ClassVar[bool] = False
    drifting: ClassVar[bool] = True
    main_use: ClassVar[str] = "single"
    default_weight: ClassVar[float | None] = None

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.backbone = copy.deepcopy(setting.backbone)
        generator = torch.Generator().manual_seed(setting.seed_for(HEAD, "head"))
        self.head = LinearHead(setting.backbone.head_width, generator)

    def step_two(self) -> ImageStep:
        """Return the schedule of the whole network."""
        return self.setting.schedule.full

    @property
    def head_names(self) -> list[str]:
        """The one head."""
        return [HEAD]

    def learn(self, task: Task, seen: Sequence[Task]) -> Learned:
        """Fit head, then head and network, to the new task alone."""
        return self._fit([task], initial=not seen)

    def _features(self, task: Task, part: str, initial: bool) -> LabelledFeatures:
        images = self.setting.images(task, part)
        if initial:
            features = self.setting.reference_features(task, part)
        else:
            features = image_features(self.backbone, images.images)
        return LabelledFeatures(features.head, images.mos, task.name)

    def _fit(self, tasks: Sequence[Task], initial: bool) -> Learned:
        """Run both steps on the union of tasks; ``initial`` if the network is still untouched."""
        setting = self.setting
        train = [setting.images(task, "train") for task in tasks]
        validation = [setting.images(task, "val") for task in tasks]
        purpose = " ".join(task.name for task in tasks)

        def features() -> list[list[LabelledFeatures]]:
            parts = ("train", "val")
            return [[self._features(task, part, initial) for task in tasks] for part in parts]

        seed = setting.seed_for(purpose, "step one")
        shown = (train, validation)
        history = warm_up(self.backbone, self.head, shown, features, setting.schedule.head, seed)
        step = self.step_two()
        if step.epochs:
            trained = list(self.backbone.network.parameters())
            seed = setting.seed_for(purpose, "step two")
            history += learn_images(
                self.backbone, self.head, trained, train, validation, step, seed
            )
        return Learned(history, {HEAD: 0.0})

    def heads(self, images: ImageSet, names: Sequence[str] | None = None) -> np.ndarray:
        """Return the shared head's float32 scores [N, 1]."""
        features = image_features(self.backbone, images).head
        with torch.inference_mode():
            return self.head.score(features).numpy()[:, None]

    def distances(self, images: ImageSet) -> None:
        """Return None: one head needs no gate."""

    def parameters(self) -> ParameterCount:
        """Count trained values; no task adds any to what is stored."""
        network = sum(parameter.numel() for parameter in self.backbone.network.parameters())
        return ParameterCount(
            learnable_per_task=network + self.head.weight.numel(), stored_per_task=0
        )

    def filters_fingerprint(self) -> str:
        """Return the fingerprint of the network's present filters (they do change)."""
        return self.backbone.filters_fingerprint()

    def state(self) -> dict[str, Tensor]:
        """Return the network and the head."""
        return network_state(self.backbone) | {"head": self.head.weight.detach()}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Replace network and head by what :meth:`state` returned."""
        self.backbone.network.load_state_dict(part_of(state, "network"))
        self.head.load_state_dict({"weight": state["head"]})

    def save(self, folder: Path) -> None:
        """Write network and head as one safetensors file."""
        folder.mkdir(parents=True, exist_ok=True)
        save_file(self.state(), folder / f"{self.name}.safetensors")

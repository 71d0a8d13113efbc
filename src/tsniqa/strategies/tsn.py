"""TSN: frozen filters, one set of normalization parameters and one head for every task.

Source: Zhang, Ma, Zhai and Yang, IEEE TIP 33, 2024 (arXiv 2107.13429).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from tsniqa.data.images import ImageSet
from tsniqa.data.task import Task
from tsniqa.model.gating import KMeansGate
from tsniqa.model.heads import LinearHead
from tsniqa.model.normalization import NormalizationBank, affine_parameters
from tsniqa.model.tsniqa import TSNIQA
from tsniqa.scoring.features import image_features
from tsniqa.strategies.protocol import Learned, ParameterCount
from tsniqa.training.context import Setting
from tsniqa.training.schedules import ImageStep
from tsniqa.training.trainer import LabelledFeatures, learn_images, warm_up


class TSN:
    """Learn every task from the initial network, apart from all others.

    What is learned for a task depends on the seed and the task's name and data, never on the tasks
    before it; so the final model is bitwise the same for every task order.
    """

    name: ClassVar[str] = "tsn"
    all_at_once: ClassVar[bool] = False
    gated: ClassVar[bool] = True
    drifting: ClassVar[bool] = False
    main_use: ClassVar[str] = "gated"
    default_weight: ClassVar[float | None] = None

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.model = TSNIQA(
            setting.backbone,
            KMeansGate(**setting.gate.model_dump()),
            self._bank(),
            setting.shorter_side,
        )

    def _bank(self) -> NormalizationBank:
        """Make the store of what each task changes in the network."""
        return NormalizationBank(self.setting.backbone.network)

    def _trained(self) -> list[nn.Parameter]:
        """Return the parameters of the network that step two trains."""
        return affine_parameters(self.setting.backbone.network)

    def step_two(self) -> ImageStep | None:
        """Return the schedule of step two, or None if there is none."""
        return self.setting.schedule.normalization

    @property
    def head_names(self) -> list[str]:
        """Names of the learned tasks, sorted."""
        return self.model.tasks

    def learn(self, task: Task, seen: Sequence[Task]) -> Learned:
        """Learn one task: its head on the initial network, then head and normalization."""
        setting, backbone = self.setting, self.setting.backbone
        self.model.bank.load(None)
        parts = ("train", "val")
        reference = {part: setting.reference_features(task, part) for part in parts}
        images = {part: setting.images(task, part) for part in parts}
        train, validation = (
            LabelledFeatures(reference[part].head, images[part].mos, task.name) for part in parts
        )
        generator = torch.Generator().manual_seed(setting.seed_for(task.name, "head"))
        head = LinearHead(backbone.head_width, generator)
        seed = setting.seed_for(task.name, "step one")
        shown = ([images["train"]], [images["val"]])
        history = warm_up(
            backbone, head, shown, lambda: ([train], [validation]), setting.schedule.head, seed
        )
        features = reference["train"].head
        step = self.step_two()
        if step is not None and step.epochs:
            seed = setting.seed_for(task.name, "step two")
            history += learn_images(backbone, head, self._trained(), *shown, step, seed)
            features = image_features(backbone, images["train"].images).head
        gate_seed = setting.seed_for(task.name, "gate")
        self.model.add_task(task.name, head, features, reference["train"].gate, gate_seed)
        self.model.bank.load(None)
        return Learned(history, {task.name: self.model.offsets[task.name]})

    def heads(self, images: ImageSet, names: Sequence[str] | None = None) -> np.ndarray:
        """Return float32 scores [N, H] of the named tasks' heads (default: all)."""
        return self.model.head_scores(images, names)

    def distances(self, images: ImageSet) -> np.ndarray:
        """Return the gate's distances [N, T, 2], tasks in name order."""
        return self.model.distances(images)

    def parameters(self) -> ParameterCount:
        """Count trained values, and stored ones (bank, head and centroids of one task)."""
        task = self.model.tasks[0]
        head = self.model.heads[task].weight.numel()
        bank = sum(value.numel() for value in self.model.bank.states[task].values())
        gate = max(map(self.model.gate.stored, self.model.tasks))
        trained = sum(p.numel() for p in self._trained()) if self.step_two() else 0
        return ParameterCount(learnable_per_task=trained + head, stored_per_task=bank + head + gate)

    def filters_fingerprint(self) -> str:
        """Return the fingerprint of the network's present filters."""
        return self.setting.backbone.filters_fingerprint()

    def state(self) -> dict[str, Tensor]:
        """Return banks, heads, offsets and centroids."""
        return self.model.state()

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Replace everything learned by what :meth:`state` returned."""
        self.model.load_state(dict(state))

    def save(self, folder: Path) -> None:
        """Write a model that :meth:`tsniqa.model.tsniqa.TSNIQA.load` reads."""
        self.model.save(folder)

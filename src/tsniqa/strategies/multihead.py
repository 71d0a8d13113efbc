"""Multi-head fine-tuning: one head a task on a network that every task changes; no defence.

The baseline MH-CL of *Continual Learning for Blind Image Quality Assessment* (Zhang et al., IEEE
TPAMI 2023, arXiv 2102.09717), and the ground that distillation, regularisation and replay build
on. Old heads stay as they were learned; what they say changes, because the network under them does.
The heads are mixed by the same K-means gate as TSN's, on features of the untouched network.
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
from tsniqa.model.gating import KMeansGate
from tsniqa.model.heads import LinearHead
from tsniqa.scoring.features import image_features
from tsniqa.strategies.protocol import Learned, ParameterCount
from tsniqa.strategies.states import network_state, part_of
from tsniqa.training.context import Setting
from tsniqa.training.schedules import ImageStep
from tsniqa.training.trainer import (
    ExtraLoss,
    LabelledFeatures,
    LabelledImages,
    learn_images,
    warm_up,
)


class MultiHead:
    """Continue training one network, with a new head for every task.

    Attributes:
        setting: What the run hands over.
        backbone: The network as the tasks so far have left it.
        heads_: One head a task.
        offsets: For each task, its head's mean score over its training images when it was learned;
            later the images are gone, so it is not brought up to date.
        gate: Centroids of every task, under the untouched network.
    """

    name: ClassVar[str] = "multihead"
    all_at_once: ClassVar[bool] = False
    gated: ClassVar[bool] = True
    drifting: ClassVar[bool] = True
    main_use: ClassVar[str] = "gated"
    default_weight: ClassVar[float | None] = None

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.backbone = copy.deepcopy(setting.backbone)
        self.heads_: dict[str, LinearHead] = {}
        self.offsets: dict[str, float] = {}
        self.gate = KMeansGate(**setting.gate.model_dump())

    def step_two(self) -> ImageStep:
        """Return the schedule of the whole network."""
        return self.setting.schedule.full

    def replayed(self, task: Task, seen: Sequence[Task]) -> list[tuple[LabelledImages, LinearHead]]:
        """Return further labelled images to learn from, each with the head that scores them."""
        return []

    def extra_loss(self, task: Task, seen: Sequence[Task], head: LinearHead) -> ExtraLoss | None:
        """Return what step two adds to the loss; called when step one has ended.

        Args:
            task: The task being learned.
            seen: The tasks before it.
            head: Its head after step one, which step two goes on to train.
        """
        return None

    def consolidate(self, task: Task, head: LinearHead) -> None:
        """Remember what later tasks need of this one; called when it has been learned."""

    @property
    def head_names(self) -> list[str]:
        """Names of the learned tasks, sorted."""
        return sorted(self.heads_)

    def learn(self, task: Task, seen: Sequence[Task]) -> Learned:
        """Learn a task: its head on the present network, then head and network together."""
        setting = self.setting
        images = {part: setting.images(task, part) for part in ("train", "val")}
        generator = torch.Generator().manual_seed(setting.seed_for(task.name, "head"))
        head = LinearHead(setting.backbone.head_width, generator)
        shown = ([images["train"]], [images["val"]])
        seed = setting.seed_for(task.name, "step one")
        history = warm_up(
            self.backbone,
            head,
            shown,
            lambda: [[self._features(task, part)] for part in ("train", "val")],
            setting.schedule.head,
            seed,
        )
        step = self.step_two()
        if step.epochs:
            more = self.replayed(task, seen)
            history += learn_images(
                self.backbone,
                [head, *(own for _, own in more)],
                list(self.backbone.network.parameters()),
                [images["train"], *(labelled for labelled, _ in more)],
                [images["val"]],
                step,
                setting.seed_for(task.name, "step two"),
                extra=self.extra_loss(task, seen, head),
            )
        self.consolidate(task, head)
        self._keep(task, head, images["train"])
        return Learned(history, dict(self.offsets))

    def _features(self, task: Task, part: str) -> LabelledFeatures:
        """Compute features of the present network; those of the first task are shared by all."""
        images = self.setting.images(task, part)
        if self.heads_:
            features = image_features(self.backbone, images.images)
        else:
            features = self.setting.reference_features(task, part)
        return LabelledFeatures(features.head, images.mos, task.name)

    def _keep(self, task: Task, head: LinearHead, train: LabelledImages) -> None:
        """Add the head, its offset and the task's centroids."""
        self.heads_[task.name] = head
        with torch.inference_mode():
            scores = head.score(image_features(self.backbone, train.images).head)
        self.offsets[task.name] = float(scores.double().mean())
        reference = self.setting.reference_features(task, "train").gate
        seed = self.setting.seed_for(task.name, "gate")
        self.gate.fit([stage.numpy() for stage in reference], task.name, seed)

    def heads(self, images: ImageSet, names: Sequence[str] | None = None) -> np.ndarray:
        """Return float32 scores [N, H] of the named tasks' heads (default: all)."""
        features = image_features(self.backbone, images).head
        with torch.inference_mode():
            columns = [
                self.heads_[name].score(features).numpy()
                for name in (self.head_names if names is None else names)
            ]
        return np.stack(columns, axis=1)

    def distances(self, images: ImageSet) -> np.ndarray:
        """Return the gate's distances [N, T, 2] under the untouched network."""
        features = image_features(self.setting.backbone, images).gate
        return self.gate.distances([stage.numpy() for stage in features])

    def parameters(self) -> ParameterCount:
        """Count trained values, and what a task adds: its head and its centroids."""
        network = sum(parameter.numel() for parameter in self.backbone.network.parameters())
        head = self.backbone.head_width
        gate = max(map(self.gate.stored, self.heads_))
        return ParameterCount(learnable_per_task=network + head, stored_per_task=head + gate)

    def filters_fingerprint(self) -> str:
        """Return the fingerprint of the network's present filters (they do change)."""
        return self.backbone.filters_fingerprint()

    def state(self) -> dict[str, Tensor]:
        """Return the network, heads, offsets and centroids."""
        state = network_state(self.backbone)
        state |= {f"head/{name}": head.weight.detach() for name, head in self.heads_.items()}
        state |= {
            f"offset/{name}": torch.tensor(value, dtype=torch.float64)
            for name, value in self.offsets.items()
        }
        return state | {f"gate/{k}": torch.from_numpy(v) for k, v in self.gate.state().items()}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Replace everything learned by what :meth:`state` returned."""
        self.backbone.network.load_state_dict(part_of(state, "network"))
        self.heads_ = {}
        for name, weight in part_of(state, "head").items():
            self.heads_[name] = LinearHead(len(weight))
            self.heads_[name].load_state_dict({"weight": weight})
        self.offsets = {name: float(value) for name, value in part_of(state, "offset").items()}
        self.gate.load_state({k: v.numpy() for k, v in part_of(state, "gate").items()})

    def save(self, folder: Path) -> None:
        """Write everything learned as one safetensors file."""
        folder.mkdir(parents=True, exist_ok=True)
        save_file(self.state(), folder / f"{self.name}.safetensors")

"""Ridge: closed-form ridge regression for every task, on frozen features of several stages.

The control without any learning by gradients: how far do the features go that TSN starts from? In
the manner of GRepQ (Srinath et al., WACV 2024, arXiv 2312.04838), which trains a simple regressor
on concatenated features of frozen networks; here they are the gate's two stages and the head's
feature, each L2-normalised as everywhere. The heads are mixed by the same K-means gate as TSN's.

Unlike other heads, these regress the opinion scores themselves. The rating scale of every task is
mapped to [-1, 1], so that heads of different tasks can be mixed, and predictions are clipped to it:
mixtures and the bound on skipped heads need scores in [-1, 1]. Predictions beyond the ends of the
rating scale become ties.
"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from safetensors.torch import save_file
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GroupKFold
from torch import Tensor

from tsniqa.data.images import ImageSet
from tsniqa.data.task import Task
from tsniqa.metrics import srcc
from tsniqa.model.backbone import Features
from tsniqa.model.gating import KMeansGate
from tsniqa.scoring.features import image_features
from tsniqa.strategies.protocol import Learned, ParameterCount
from tsniqa.strategies.states import part_of
from tsniqa.training.context import Setting
from tsniqa.training.trainer import Epoch

STRENGTHS = tuple(10.0**exponent for exponent in range(-6, 4))
"""Penalties on the squared weights to choose from, where the squared error is summed over images.

The setting's ``strategy_weight`` replaces them by one."""

FOLDS = 5
"""Folds of the cross-validation; images of one reference content stay together."""


class RidgeHead(NamedTuple):
    """Weights, float64 [D], and bias, float64 [], that act on features as they come."""

    weight: Tensor
    bias: Tensor

    def score(self, features: Tensor) -> Tensor:
        """Return float32 quality [N] in [-1, 1] of features [N, D]."""
        return (features.double() @ self.weight + self.bias).clamp(-1, 1).float()


class Ridge:
    """Regress every task's opinion scores on features of the untouched network.

    Nothing but the gate's centroids depends on the seed.

    Attributes:
        setting: What the run hands over.
        heads_: One head a task.
        gate: Centroids of every task.
    """

    name: ClassVar[str] = "ridge"
    all_at_once: ClassVar[bool] = False
    gated: ClassVar[bool] = True
    drifting: ClassVar[bool] = False
    main_use: ClassVar[str] = "gated"
    default_weight: ClassVar[float | None] = None

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.heads_: dict[str, RidgeHead] = {}
        self.gate = KMeansGate(**setting.gate.model_dump())

    def step_two(self) -> None:
        """Return None: nothing is learned on crops."""

    @property
    def head_names(self) -> list[str]:
        """Names of the learned tasks, sorted."""
        return sorted(self.heads_)

    def learn(self, task: Task, seen: Sequence[Task]) -> Learned:
        """Solve for a task's head; the history is one entry, the solution's validation SRCC."""
        setting = self.setting
        train, validation = (setting.reference_features(task, part) for part in ("train", "val"))
        start = time.perf_counter()
        head = fit(stacked(train), task, setting.strategy_weight)
        seconds = time.perf_counter() - start
        self.heads_[task.name] = head
        seed = setting.seed_for(task.name, "gate")
        self.gate.fit([stage.numpy() for stage in train.gate], task.name, seed)
        quality = srcc(head.score(stacked(validation)).numpy(), task.mos("val"))
        epoch = Epoch(step="head", epoch=0, loss=None, validation_srcc=quality, seconds=seconds)
        offset = float(head.score(stacked(train)).double().mean())
        return Learned([epoch], {task.name: offset})

    def heads(self, images: ImageSet, names: Sequence[str] | None = None) -> np.ndarray:
        """Return float32 scores [N, H] of the named tasks' heads (default: all)."""
        features = stacked(image_features(self.setting.backbone, images))
        chosen = self.head_names if names is None else names
        return np.stack([self.heads_[name].score(features).numpy() for name in chosen], axis=1)

    def distances(self, images: ImageSet) -> np.ndarray:
        """Return the gate's distances [N, T, 2], tasks in name order."""
        features = image_features(self.setting.backbone, images).gate
        return self.gate.distances([stage.numpy() for stage in features])

    def parameters(self) -> ParameterCount:
        """Count weights and bias of a head, and its task's centroids."""
        head = next(iter(self.heads_.values())).weight.numel() + 1
        gate = max(map(self.gate.stored, self.heads_))
        return ParameterCount(learnable_per_task=head, stored_per_task=head + gate)

    def filters_fingerprint(self) -> str:
        """Return the fingerprint of the network's filters, which never change."""
        return self.setting.backbone.filters_fingerprint()

    def state(self) -> dict[str, Tensor]:
        """Return heads and centroids."""
        state = {f"weight/{name}": head.weight for name, head in self.heads_.items()}
        state |= {f"bias/{name}": head.bias for name, head in self.heads_.items()}
        return state | {f"gate/{k}": torch.from_numpy(v) for k, v in self.gate.state().items()}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Replace everything learned by what :meth:`state` returned."""
        biases = part_of(state, "bias")
        weights = part_of(state, "weight")
        self.heads_ = {name: RidgeHead(weights[name], biases[name]) for name in weights}
        self.gate.load_state({k: v.numpy() for k, v in part_of(state, "gate").items()})

    def save(self, folder: Path) -> None:
        """Write heads and centroids as one safetensors file."""
        folder.mkdir(parents=True, exist_ok=True)
        save_file(self.state(), folder / "ridge.safetensors")


def stacked(features: Features) -> Tensor:
    """Put the gate's two stages and the head's feature side by side: [N, C3 + C4 + C]."""
    return torch.cat([*features.gate, features.head], dim=1)


def fit(features: Tensor, task: Task, strength: float | None = None) -> RidgeHead:
    """Solve ridge regression for the training images of a task.

    The strength with the least squared error on held-out folds is taken. Folds are disjoint in
    reference content as the task's parts are: where many images show one scene, leaving out single
    ones would favour heads that know the scenes. (A single content leaves no choice but
    leave-one-out.)

    Args:
        features: Float32 [n, D] of the training images.
        task: Gives labels, rating scale and contents.
        strength: Taken instead of :data:`STRENGTHS`.

    Returns:
        The head.
    """
    low, high = task.mos_range
    labels = 2 * (task.mos("train") - low) / (high - low) - 1
    values = features.double().numpy()
    contents = task.part("train")["reference"].astype(str).to_numpy()
    folds = min(FOLDS, len(set(contents)))
    splits = None if folds < 2 else list(GroupKFold(folds).split(values, groups=contents))
    strengths = list(STRENGTHS) if strength is None else [strength]
    ridge = RidgeCV(strengths, cv=splits, scoring="neg_mean_squared_error").fit(values, labels)
    bias = torch.tensor(float(ridge.intercept_), dtype=torch.float64)
    return RidgeHead(torch.tensor(ridge.coef_), bias)

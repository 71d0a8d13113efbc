"""UNIQUE: joint learning from probabilities, with an uncertainty for every image.

Source: Zhang, Ma, Zhai and Yang, *Uncertainty-Aware Blind Image Quality Assessment in the
Laboratory and Wild*, IEEE TIP 30, 2021 (arXiv 2005.13983), with the values of the authors' released
code. A joint rival: where others learn which of two images is better, it learns how
probably, from the standard deviations of the opinion scores, and predicts how sure it is. Network,
pooling, batches and schedule are the setting's, as for every strategy: one linear map of the pooled
feature stands in for the code's bilinear pooling, and pairs with equal scores are left out where
batches compare all images.
"""

import copy
from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import relu, softplus

from tsniqa.data.images import random_crop
from tsniqa.data.task import Task
from tsniqa.model.fidelity import fidelity_loss
from tsniqa.model.normalization import use_batch_statistics
from tsniqa.scoring.features import image_features
from tsniqa.strategies.joint import Joint
from tsniqa.strategies.protocol import Learned, ParameterCount
from tsniqa.strategies.sequential import HEAD
from tsniqa.strategies.states import part_of
from tsniqa.training.context import Setting
from tsniqa.training.pairs import PairBatch
from tsniqa.training.schedules import HeadStep, ImageStep
from tsniqa.training.trainer import Epoch, learn_epochs, mean_srcc

WEIGHT = 1.0
"""Factor of the hinge loss on uncertainties (the released code adds both losses as they are)."""

MARGIN = 0.025
"""By how much two predicted standard deviations shall differ where the human ones do."""

RATE = 1e-4
"""Adam's initial rate for the uncertainty (the released code's, for everything).

The schedules' rates of a head may be thousands of times larger. At such a rate the hinge drives all
deviations to 0 together, and every preference, right or wrong, becomes certain.
"""

UNPUBLISHED = 0.5 / 4
"""Standard deviation where a dataset gives none: half a point on a scale from 1 to 5, as a share of
the task's own rating scale."""


class Opinions(NamedTuple):
    """Mean and standard deviation of every image's ratings, float64 [n], in the task's units."""

    mos: Tensor
    std: Tensor


class Uncertainty(nn.Module):
    """Predict the standard deviation of an image's quality: softplus of an affine map.

    Attributes:
        weight: Float32 vector [C].
        bias: Float32 scalar.
    """

    def __init__(self, width: int, generator: torch.Generator) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(width, generator=generator) / width**0.5)
        self.bias = nn.Parameter(torch.zeros(()))

    def forward(self, features: Tensor) -> Tensor:
        """Return standard deviations [N] of features [N, C]."""
        return softplus(features @ self.weight + self.bias)


class Unique(Joint):
    """Fit one network, one head and one uncertainty to all tasks together.

    Attributes:
        uncertainty: Used while learning; scores are the predicted means alone.
    """

    name: ClassVar[str] = "unique"
    default_weight: ClassVar[float | None] = WEIGHT

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        generator = torch.Generator().manual_seed(setting.seed_for(HEAD, "uncertainty"))
        self.uncertainty = Uncertainty(setting.backbone.head_width, generator)

    def _fit(self, tasks: Sequence[Task], initial: bool) -> Learned:
        history = self._run("head", self.setting.schedule.head, tasks, [])
        step = self.step_two()
        if step.epochs:
            network = list(self.backbone.network.parameters())
            history += self._run("images", step, tasks, network)
        return Learned(history, {HEAD: 0.0})

    def _run(
        self,
        name: Literal["head", "images"],
        step: HeadStep,
        tasks: Sequence[Task],
        network: list[nn.Parameter],
    ) -> list[Epoch]:
        """Do one step as :mod:`tsniqa.training.trainer` does, but with this method's loss.

        Args:
            name: What the history calls its epochs.
            step: On crops if it gives their size, else on features of the untouched network.
            tasks: Learned together; pairs never cross them.
            network: Parameters of the network to train beside head and uncertainty.
        """
        setting, backbone, device = self.setting, self.backbone, self.backbone.device
        seed = setting.seed_for(" ".join(task.name for task in tasks), name)
        crops = torch.Generator().manual_seed(seed + 1)
        train, validation = (
            [setting.images(task, part) for task in tasks] for part in ("train", "val")
        )
        opinions = [opinions_of(task) for task in tasks]
        on_crops = isinstance(step, ImageStep)
        known = {
            part: [setting.reference_features(task, part).head for task in tasks]
            for part in (() if on_crops else ("train", "val"))
        }

        def features(batch: PairBatch) -> Tensor:
            if not on_crops:
                return known["train"][batch.source][batch.indices].to(device)
            images = train[batch.source].images
            cropped = [random_crop(images[i], step.crop, crops) for i in batch.indices.tolist()]
            inputs = backbone.preprocess(torch.stack(cropped))
            use_batch_statistics(backbone.network, step.statistics == "batch")
            with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
                return backbone.features(inputs).head.float()

        weight = setting.weight_or(self.default_weight)

        def loss(batch: PairBatch) -> Tensor:
            seen = features(batch)
            own = Opinions(*(values[batch.indices] for values in opinions[batch.source]))
            return unique_loss(self.head(seen), self.uncertainty(seen), own, batch, weight)

        def validate() -> float:
            backbone.eval()
            head = copy.deepcopy(self.head).cpu()
            with torch.inference_mode():
                shown = known.get("val") or [
                    image_features(backbone, v.images).head for v in validation
                ]
                return mean_srcc(
                    [(head.score(f), v.mos) for f, v in zip(shown, validation, strict=True)]
                )

        modules = [backbone.network, self.head.to(device), self.uncertainty.to(device)]
        rate = step.head_learning_rate if on_crops else step.learning_rate
        groups = [
            {"params": network, "lr": step.learning_rate},
            {"params": list(self.head.parameters()), "lr": rate},
            {"params": list(self.uncertainty.parameters()), "lr": RATE},
        ]
        for parameter in network:
            parameter.requires_grad_(True)
        try:
            return learn_epochs(name, step, groups, train, seed, loss, validate, modules)
        finally:
            backbone.eval().requires_grad_(False)
            self.head.cpu()
            self.uncertainty.cpu()

    def parameters(self) -> ParameterCount:
        """Count trained values, the uncertainty's among them; no task adds any to the model."""
        own = sum(parameter.numel() for parameter in self.uncertainty.parameters())
        count = super().parameters()
        return count.model_copy(update={"learnable_per_task": count.learnable_per_task + own})

    def state(self) -> dict[str, Tensor]:
        """Return the network, the head and the uncertainty."""
        own = self.uncertainty.state_dict()
        return super().state() | {f"uncertainty/{name}": value for name, value in own.items()}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Replace network, head and uncertainty by what :meth:`state` returned."""
        super().load_state(state)
        self.uncertainty.load_state_dict(part_of(state, "uncertainty"))


def opinions_of(task: Task) -> Opinions:
    """Return the opinions on a task's training images."""
    low, high = task.mos_range
    std = task.part("train")["std"].to_numpy(dtype=np.float64)
    std = np.where(np.isnan(std), UNPUBLISHED * (high - low), std)
    return Opinions(torch.tensor(task.mos("train")), torch.tensor(std))


def preference(difference: Tensor, first: Tensor, second: Tensor, epsilon: float) -> Tensor:
    """Return Phi(difference / sqrt(first^2 + second^2 + epsilon)): how probably x is the better.

    Args:
        difference: Mean of x less mean of y, floating point [P].
        first: Standard deviations of x [P].
        second: Standard deviations of y [P].
        epsilon: Keeps the quotient finite where nobody disagreed.
    """
    spread = torch.sqrt(first**2 + second**2 + epsilon)
    return 0.5 * torch.erfc(-difference / (spread * 2**0.5))


def unique_loss(
    mean: Tensor, std: Tensor, opinions: Opinions, batch: PairBatch, weight: float = WEIGHT
) -> Tensor:
    """Return the mean loss of a batch's pairs: fidelity, and a hinge on the uncertainties.

    As in the released code, the fidelity loss does not train the uncertainties (they are detached
    in it), and the hinge max(0, margin - sign(human x - human y) (predicted x - predicted y)) has
    no gradient where the human deviations are equal, as where none are published.

    Args:
        mean: Predicted qualities [B].
        std: Predicted standard deviations [B].
        opinions: The human ones [B].
        batch: The pairs, positions within the batch; its binary targets are not used.
        weight: Factor of the hinge.
    """
    x, y = batch.first, batch.second
    own, human = std.detach(), opinions.std
    target = preference(opinions.mos[x] - opinions.mos[y], human[x], human[y], 1e-30)
    predicted = preference(mean[x] - mean[y], own[x], own[y], 1e-8)
    fidelity = fidelity_loss(predicted, target.to(mean))
    order = torch.sign(human[x] - human[y]).to(std)
    hinge = relu(MARGIN - order * (std[x] - std[y]))
    return fidelity.mean() + weight * hinge.mean()

"""Ridge: closed-form ridge regression for every task, on the frozen features of its head.

The control without learning by gradients: how far do the features go that TSN starts from? In the
manner of GRepQ (Srinath et al., WACV 2024, arXiv 2312.04838). Unlike other heads, these regress the
opinion scores themselves. The rating scale of every task is mapped to [-1, 1], and predictions are
clipped to it: mixtures and the bound on skipped heads need that. Those beyond the ends become ties.
"""

from collections.abc import Sequence

import torch
from sklearn.linear_model import RidgeCV
from torch import Tensor

from tsniqa.data.task import Task
from tsniqa.metrics import srcc
from tsniqa.model.heads import RidgeHead
from tsniqa.strategies.base import Learned, Strategy
from tsniqa.training.penalty import content_folds
from tsniqa.training.trainer import Epoch

# Penalties on the squared weights, where the squared error is summed over images; or the weight.
STRENGTHS = tuple(10.0**exponent for exponent in range(-6, 4))


class Ridge(Strategy):
    """Regress every task's opinion scores on features; at most the gate depends on the seed."""

    name = "ridge"
    select = "nothing"
    order_dependent = False

    def finetune_schedule(self) -> None:
        """Return None: nothing is learned on crops."""

    def learn(self, task: Task, seen: Sequence[Task]) -> Learned:
        """Solve for a task's head; the history is the solution's validation SRCC."""
        context = self.context
        train, validation = (context.reference_features(task, part) for part in ("train", "val"))
        head = fit_ridge(train.head, task, context.weight)
        seed = context.seed_for(task.name, "gate")
        self.model.add_task(task.name, head, train, train.gate, seed)
        quality = srcc(head.score(validation.head).numpy(), task.mos("val"))
        epoch = Epoch(step="head", epoch=0, loss=None, validation_srcc=quality)
        return Learned([epoch], {task.name: self.model.levels[task.name]})


def fit_ridge(features: Tensor, task: Task, strength: float | None = None) -> RidgeHead:
    """Solve ridge regression for the training images of a task.

    Without a given strength, that with the least squared error on held-out folds is taken. Folds
    are disjoint in reference content: leaving out single images of a scene would favour heads that
    know the scenes. (Of a single content, images are held out.) Features are [n, D].
    """
    low, high = task.mos_range
    labels = 2 * (task.mos("train") - low) / (high - low) - 1
    values = features.double().numpy()
    contents = task.part("train")["reference"].astype(str).to_numpy()
    strengths = list(STRENGTHS) if strength is None else [strength]
    ridge = RidgeCV(strengths, cv=content_folds(contents), scoring="neg_mean_squared_error").fit(
        values, labels
    )
    bias = torch.tensor(float(ridge.intercept_), dtype=torch.float64)
    return RidgeHead(torch.tensor(ridge.coef_), bias)

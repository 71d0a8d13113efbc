"""What a model consists of: parameters by the kind of layer, and what learning touches."""

from collections.abc import Mapping

import pandas as pd
import torch
from torch import Tensor

from tsniqa.data.images import ImageSet
from tsniqa.model.backbone import Backbone
from tsniqa.model.normalization import affine_parameters, normalization_tensors
from tsniqa.model.tsniqa import TSNIQA
from tsniqa.scoring.features import image_features


def parameter_counts(backbone: Backbone, statistics: str, centroids: int) -> pd.DataFrame:
    """Count the numbers of a model by kind.

    Args:
        backbone: The frozen network.
        statistics: ``"kept"`` or ``"batch"``: whether running statistics are a task's own.
        centroids: What :meth:`tsniqa.model.gating.KMeansGate.stored` gives for a task.

    Returns:
        One row a kind that the network has: ``layers`` (tensors), ``numbers``, ``held`` (once for
        all tasks, or per task), ``learning`` (how they come about).
    """
    filters = backbone.filters()
    affine = affine_parameters(backbone.network)
    running = _running_statistics(backbone)
    task_own = "collected from the task's images" if statistics == "batch" else "kept as pretrained"
    rows = {
        "convolution filters": ([f for f in filters.values() if f.dim() >= 4], False, "frozen"),
        "other weights and biases": ([f for f in filters.values() if f.dim() < 4], False, "frozen"),
        "normalization: scale and shift": (affine, True, "learned"),
        "normalization: running statistics": (running, True, task_own),
    }
    table = {
        kind: {
            "layers": len(tensors),
            "numbers": sum(tensor.numel() for tensor in tensors),
            "held": "per task" if per_task else "once",
            "learning": learning,
        }
        for kind, (tensors, per_task, learning) in rows.items()
        if tensors
    }
    extra = {"held": "per task"}
    table["head"] = {"layers": 1, "numbers": backbone.head_width, "learning": "learned"} | extra
    table["gate: centroids"] = {"layers": 2, "numbers": centroids, "learning": "K-means"} | extra
    return pd.DataFrame.from_dict(table, orient="index")


def _running_statistics(backbone: Backbone) -> list[Tensor]:
    parameters = {id(parameter) for parameter in affine_parameters(backbone.network)}
    live = normalization_tensors(backbone.network)
    return [tensor for tensor in live.values() if id(tensor) not in parameters]


def changed(before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> pd.DataFrame:
    """Compare tensors bit for bit, by the last part of their names (``weight``, ``bias``, ...).

    Args:
        before: Tensors by full name.
        after: The same names.

    Returns:
        One row a kind: ``tensors``, ``changed`` (how many of them differ), ``largest change``.
    """
    rows = [
        {
            "kind": name.rsplit(".", 1)[-1],
            "changed": not torch.equal(before[name], after[name]),
            "largest change": float((before[name] - after[name]).abs().max()),
        }
        for name in before
    ]
    groups = pd.DataFrame(rows).groupby("kind", sort=False)
    table = groups.agg({"changed": ["size", "sum"], "largest change": "max"})
    table.columns = ["tensors", "changed", "largest change"]
    return table


def scores_while_swapping(model: TSNIQA, images: ImageSet, task: str, other: str) -> pd.DataFrame:
    """Score images by one task's head while the normalization in the network is swapped.

    Args:
        model: With both tasks learned.
        images: A few images.
        task: Whose head is used.
        other: Whose normalization is loaded in between.

    Returns:
        One row an image; columns: normalizations in the order in which they are loaded. The last
        is the first again.
    """
    steps = ((task, task), ("initial", None), (other, other), (f"{task} again", task))
    columns = {}
    for label, name in steps:
        model.bank.load(name)
        with torch.inference_mode():
            features = image_features(model.backbone, images).head
            columns[label] = model.heads[task].score(features).numpy()
    model.bank.load(None)
    return pd.DataFrame(columns)

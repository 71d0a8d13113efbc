"""How tasks differ before anything is learned: labels, and features of the reference network."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from tsniqa.data.task import PARTS, Task
from tsniqa.model.gating import KMeansGate
from tsniqa.study.planning import Plan

Stages = list[np.ndarray]
"""Gate features of n images: float32 [n, C3] and [n, C4], L2-normalised."""

QUANTILES = (0.02, 0.25, 0.5, 0.75, 0.98)
"""Places in a task's ranking by MOS from which example images are taken."""

LARGEST_PERPLEXITY = 30
"""Neighbours that t-SNE looks at, roughly; fewer where there are few images."""

TSNE_STEPS = 500
"""Enough for some thousand points; the map no longer changes visibly."""


class LabelledExample(NamedTuple):
    """An example image of a task.

    Attributes:
        quantile: Its place in the task's ranking, 0 being the worst quality.
        path: The image file.
        mos: Its mean opinion score, on the task's own scale.
    """

    quantile: float
    path: Path
    mos: float


class FeatureMap(NamedTuple):
    """Two flat maps of the same features.

    Attributes:
        points: One row an image: ``task``, ``PCA 1``, ``PCA 2``, ``t-SNE 1``, ``t-SNE 2``.
        explained: Shares of the variance that the two principal components carry.
    """

    points: pd.DataFrame
    explained: tuple[float, float]


def task_table(tasks: Sequence[Task]) -> pd.DataFrame:
    """Describe tasks: one row a task, in the order given.

    Returns:
        Columns ``train``, ``val``, ``test`` (numbers of images), ``scale`` of the labels,
        ``labels`` (simulated, or from people), ``images show``.
    """
    rows = {}
    for task in tasks:
        low, high = task.mos_range
        rows[task.name] = {
            **{part: len(task.part(part)) for part in PARTS},
            "scale": f"{low:g} to {high:g}",
            "labels": "SIMULATED" if task.simulated else "from people",
            "images show": task.description or "(no description given)",
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def quality_examples(task: Task, quantiles: Sequence[float] = QUANTILES) -> list[LabelledExample]:
    """Pick test images from the worst to the best of a task.

    Args:
        task: The task.
        quantiles: Places in its ranking, in [0, 1], rising.

    Returns:
        One example a quantile whose file is on this machine.
    """
    table = task.part("test").sort_values("mos", kind="stable")
    rows = [round(quantile * (len(table) - 1)) for quantile in quantiles]
    found = [
        LabelledExample(
            quantile, Path(task.root) / table["image"].iloc[row], table["mos"].iloc[row]
        )
        for quantile, row in zip(quantiles, rows, strict=True)
    ]
    return [example for example in found if example.path.is_file()]


def gate_features(plan: Plan, part: str) -> dict[str, Stages]:
    """Compute what the gate sees of every task: pooled features under the initial normalization.

    Args:
        plan: From :func:`tsniqa.study.planning.prepare`.
        part: ``train``, ``val`` or ``test``.

    Returns:
        Features by task name, in the order of the stream.
    """
    return {
        task.name: [stage.numpy() for stage in plan.context.reference_features(task, part).gate]
        for task in plan.tasks
    }


def fit_gate(plan: Plan) -> KMeansGate:
    """Fit the gate to the training images of all tasks, with the seeds that TSN uses.

    Nothing of this needs a label or a learned head, so the gate can be looked at by itself.
    """
    gate = KMeansGate(**plan.context.gate.model_dump())
    for name, features in gate_features(plan, "train").items():
        gate.fit(features, name, plan.context.seed_for(name, "gate"))
    return gate


def task_distances(gate: KMeansGate, features: Mapping[str, Stages]) -> pd.DataFrame:
    """Average the gate's distances: how far are one task's images from another task's centroids?

    Args:
        gate: Fitted to the same tasks.
        features: Each task's test images, from :func:`gate_features`.

    Returns:
        Mean over images and stages; rows: task of the images, columns: task of the centroids, both
        in the order of ``features``. Features have length 1, so values lie in [0, 2]. It is not
        symmetric.
    """
    means = {name: gate.distances(stages).mean(axis=(0, 2)) for name, stages in features.items()}
    table = pd.DataFrame.from_dict(means, orient="index", columns=gate.tasks_).astype(float)
    return table[list(features)]


def own_task_share(gate: KMeansGate, features: Mapping[str, Stages]) -> pd.Series:
    """Return, for every task, the share of its images to whose own head the gate gives most."""
    return pd.Series(
        {
            name: float((gate.weights(stages).argmax(axis=1) == gate.tasks_.index(name)).mean())
            for name, stages in features.items()
        }
    )


def feature_map(features: Mapping[str, Stages], seed: int = 0) -> FeatureMap:
    """Draw all images' gate features flat, by principal components and by t-SNE.

    Both see the concatenated stages, so a squared distance is the sum of the gate's two. Principal
    components keep large distances and drop directions; t-SNE keeps neighbours, and distances
    between its clusters mean little.

    Args:
        features: From :func:`gate_features`; at least four images in all.
        seed: Seed of t-SNE.
    """
    values = np.concatenate([np.concatenate(stages, axis=1) for stages in features.values()])
    names = [name for name, stages in features.items() for _ in range(len(stages[0]))]
    principal = PCA(2, svd_solver="full").fit(values)
    perplexity = min(LARGEST_PERPLEXITY, (len(values) - 1) / 3)
    neighbours = TSNE(2, init="pca", perplexity=perplexity, max_iter=TSNE_STEPS, random_state=seed)
    points = pd.DataFrame({"task": names})
    points[["PCA 1", "PCA 2"]] = principal.transform(values)
    points[["t-SNE 1", "t-SNE 2"]] = neighbours.fit_transform(values)
    first, second = principal.explained_variance_ratio_
    return FeatureMap(points, (float(first), float(second)))


def tied_shares(tasks: Sequence[Task]) -> pd.Series:
    """Return, for every task, the share of pairs of training images that have equal labels."""
    shares = {}
    for task in tasks:
        counts = task.part("train")["mos"].value_counts().to_numpy()
        total = counts.sum()
        shares[task.name] = float((counts * (counts - 1)).sum() / (total * (total - 1)))
    return pd.Series(shares)

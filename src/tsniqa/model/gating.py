"""The gates: which task's images does an image resemble?

Both read features of a fixed reference network, and both know of a task only what its own images
left behind; so no order of learning changes a bit, and gates merge exactly. The K-means gate is
that of Zhang et al. (TIP 2024): the nearer a task's centroids, the heavier its head. The analytic
gate is ours: ridge regression on which task an image is of.
"""

from collections.abc import Collection, Sequence

import numpy as np
from scipy.linalg import solve
from scipy.spatial.distance import cdist
from scipy.special import softmax
from sklearn.base import BaseEstimator

from tsniqa.clustering import centroids
from tsniqa.errors import ConfigError, DataError, unknown_name

TEMPERATURE = 32.0
"""The paper's factor on the distances before the softmin."""


def softmin_weights(distances: np.ndarray, temperature: float = TEMPERATURE) -> np.ndarray:
    """Turn distances to tasks into the weights of their heads.

    Args:
        distances: Float array [N, T, stages], non-negative.
        temperature: Factor on the distances; larger makes the weights harder.

    Returns:
        Float64 array [N, T], non-negative, each row summing to 1: the softmin over tasks of
        ``temperature * distances`` at every stage, averaged over stages.
    """
    return softmax(-temperature * np.asarray(distances, dtype=np.float64), axis=1).mean(axis=2)


class KMeansGate(BaseEstimator):
    """Centroids of every task's features, in the manner of a scikit-learn estimator.

    Features are always one float32 array [N, C] a stage; tasks are always in name order.

    Attributes:
        n_clusters: Largest number of centroids K per task and stage.
        n_init: Number of restarts of ``k-means++``.
        temperature: See :func:`softmin_weights`.
        start: ``k-means++`` (the paper's) or ``ward``, see :func:`tsniqa.clustering.centroids`.
        centroids_: For each task, one float32 array [min(K, n), C] per stage.
    """

    def __init__(
        self, n_clusters: int = 128, n_init: int = 20, temperature: float = TEMPERATURE,
        start: str = "k-means++",
    ) -> None:  # fmt: skip
        self.n_clusters = n_clusters
        self.n_init = n_init
        self.temperature = temperature
        self.start = start
        self.centroids_: dict[str, list[np.ndarray]] = {}

    def partial_fit(
        self, features: Sequence[np.ndarray], task: str, random_state: int = 0
    ) -> "KMeansGate":
        """Learn the centroids of one task's training images; an earlier entry is replaced.

        Raises:
            DataError: There are no features, or some are not finite.
        """
        options = (self.n_clusters, self.start, self.n_init, random_state)
        found = [centroids(_checked(stage, task), *options) for stage in features]
        self.centroids_[task] = [own.astype(np.float32) for own in found]
        return self

    @property
    def tasks_(self) -> list[str]:
        """Names of the fitted tasks, sorted: the order of columns everywhere."""
        return sorted(self.centroids_)

    def transform(self, features: Sequence[np.ndarray]) -> np.ndarray:
        """Return the Euclidean distance to the nearest centroid of every task, float32 [N, T, 2].

        Raises:
            ConfigError: No task has been fitted.
        """
        if not self.centroids_:
            raise ConfigError("the gate knows no task yet; fit it on at least one task first")
        stages = [_checked(stage) for stage in features]
        distances = [
            [cdist(x, centroids).min(axis=1) for x, centroids in zip(stages, own, strict=True)]
            for own in (self.centroids_[task] for task in self.tasks_)
        ]
        return np.asarray(distances, dtype=np.float32).transpose(2, 0, 1)

    def predict_proba(self, features: Sequence[np.ndarray]) -> np.ndarray:
        """Return the weights [N, T] of the heads, float64, each row summing to 1."""
        return softmin_weights(self.transform(features), self.temperature)

    def stored(self, task: str) -> int:
        """Return how many numbers a task's centroids are."""
        return sum(stage.size for stage in self.centroids_[task])


class AnalyticGate(BaseEstimator):
    """A ridge classifier over tasks, in closed form from sums that each task adds for itself.

    Analytic class-incremental learning (Zhuang et al., NeurIPS 2022; McDonnell et al., NeurIPS
    2023), with tasks for classes; streaming discriminant analysis (Hayes and Kanan, CVPR Workshops
    2020) keeps the same sums. All tasks weigh the same, whatever their number of images. Merging
    two gates is the union of their sums, bit for bit. Features are float arrays [N, C],
    L2-normalised: stage 3 of the reference network.

    Attributes:
        penalty: On the squared weights, in units of the mean variance of a feature.
        sharpness: Factor on the outputs before the softmax.
        sums_: For each task, over its images, the sum of outer products of (1, feature), float64
            [1 + C, 1 + C]: the count, the sum of features, and their second moments.
    """

    def __init__(self, penalty: float = 1e-2, sharpness: float = 8.0) -> None:
        self.penalty = penalty
        self.sharpness = sharpness
        self.sums_: dict[str, np.ndarray] = {}

    def partial_fit(self, features: np.ndarray, task: str) -> "AnalyticGate":
        """Add up one task's training images; an earlier entry is replaced.

        Raises:
            DataError: There are no features, or some are not finite.
        """
        own = np.column_stack([np.ones(len(features)), _checked(features, task)])
        self.sums_[task] = own.T @ own
        return self

    @property
    def tasks_(self) -> list[str]:
        """Names of the known tasks, sorted: the order of columns, and of all sums over tasks."""
        return sorted(self.sums_)

    def transform(self, features: np.ndarray, tasks: Collection[str] | None = None) -> np.ndarray:
        """Return the regression of one-hot tasks, float64 [N, T]; each row sums to 1.

        Args:
            features: Float array [N, C].
            tasks: Names of those that are told apart, as if no other were known; default all.

        Raises:
            ConfigError: There is no task, or one is unknown.
        """
        names = self.tasks_ if tasks is None else sorted(tasks)
        if not names:
            raise ConfigError("the gate knows no task yet; fit it on at least one task first")
        if unknown := [name for name in names if name not in self.sums_]:
            raise unknown_name("task", unknown[0], self.tasks_)
        averages = np.stack([self.sums_[name] / self.sums_[name][0, 0] for name in names])
        means = averages[:, 0, 1:]
        centre = means.mean(axis=0)
        covariance = averages[:, 1:, 1:].mean(axis=0) - np.outer(centre, centre)
        # Of images that are all the same the variance is 0; any penalty will do then.
        variance = max(np.trace(covariance) / len(centre), 1e-12)
        covariance[np.diag_indices_from(covariance)] += self.penalty * variance
        weights = solve(covariance, (means - centre).T / len(names), assume_a="pos")
        return 1 / len(names) + (_checked(features) - centre) @ weights

    def predict_proba(
        self, features: np.ndarray, tasks: Collection[str] | None = None
    ) -> np.ndarray:
        """Return the weights [N, T] of the heads, float64, each row summing to 1."""
        return softmax(self.sharpness * self.transform(features, tasks), axis=1)


def _checked(features: np.ndarray, task: str = "") -> np.ndarray:
    """Return one stage's features in double precision, or refuse them."""
    if not (len(features) and np.isfinite(features).all()):
        where = f"task '{task}': " if task else ""
        raise DataError(f"{where}the gate needs finite features of at least one image")
    return np.asarray(features, dtype=np.float64)

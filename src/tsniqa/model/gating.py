"""The gates: which task's images does an image resemble?

Both read features of a fixed reference network, and both know of a task only what its own images
left behind; so no order of learning changes a bit, and gates merge exactly. The K-means gate is
that of Zhang et al. (TIP 2024): the nearer a task's centroids, the heavier its head. The analytic
gate is ours: ridge regression on which task an image is of.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np
from scipy.linalg import solve
from scipy.spatial.distance import cdist
from scipy.special import softmax
from sklearn.base import BaseEstimator
from sklearn.cluster import AgglomerativeClustering, KMeans

from tsniqa.errors import ConfigError, DataError, unknown_name
from tsniqa.storage import symmetric, upper_triangle

TEMPERATURE = 32.0
"""The paper's factor on the distances before the softmin."""

WARD_LIMIT = 4000
"""Ward's clusters take memory and time that grow with the square of the number of images."""


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
        start: ``k-means++`` (the paper's), or ``ward``: once from the means of Ward's clusters, of
            4000 images drawn by the seed where there are more. Nothing else is random then, and no
            noise in the last bits of the features ends in other centroids.
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
        own = [_checked(stage, task) for stage in features]
        self.centroids_[task] = [self._centroids(stage, random_state) for stage in own]
        return self

    def _centroids(self, features: np.ndarray, random_state: int) -> np.ndarray:
        distinct = np.unique(features, axis=0)
        if len(distinct) <= self.n_clusters:
            # One centroid an image is the exact optimum; K-means could only approach it.
            return distinct.astype(np.float32)
        start, restarts = self.start, self.n_init
        if start == "ward":
            start, restarts = _ward_means(features, self.n_clusters, random_state), 1
        kmeans = KMeans(self.n_clusters, init=start, n_init=restarts, random_state=random_state)
        return kmeans.fit(features).cluster_centers_.astype(np.float32)

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
        distances = [
            [cdist(x, centroids).min(axis=1) for x, centroids in zip(features, own, strict=True)]
            for own in (self.centroids_[task] for task in self.tasks_)
        ]
        return np.asarray(distances, dtype=np.float32).transpose(2, 0, 1)

    def predict_proba(self, features: Sequence[np.ndarray]) -> np.ndarray:
        """Return the weights [N, T] of the heads, float64, each row summing to 1."""
        return softmin_weights(self.transform(features), self.temperature)

    def stored(self, task: str) -> int:
        """Return how many numbers a task's centroids are."""
        return sum(stage.size for stage in self.centroids_[task])


class TaskSums(NamedTuple):
    """What the analytic gate keeps of a task: float64 sums over the features of its images.

    Attributes:
        count: Number of images.
        total: Sum of their features [C].
        moments: Sum of the outer products of their features with themselves [C, C].
    """

    count: float
    total: np.ndarray
    moments: np.ndarray

    def packed(self) -> np.ndarray:
        """Return one vector: the upper triangle of [[count, total], [total, moments]]."""
        below = np.column_stack([self.total, self.moments])
        return upper_triangle(np.vstack([[self.count, *self.total], below]))

    @classmethod
    def unpacked(cls, values: np.ndarray) -> "TaskSums":
        """Return the sums of which these, in any floating point, are the packed ones."""
        matrix = symmetric(np.asarray(values, dtype=np.float64))
        return cls(float(matrix[0, 0]), matrix[0, 1:], matrix[1:, 1:])


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
        sums_: For each task, its sums.
    """

    def __init__(self, penalty: float = 1e-2, sharpness: float = 8.0) -> None:
        self.penalty = penalty
        self.sharpness = sharpness
        self.sums_: dict[str, TaskSums] = {}

    def partial_fit(self, features: np.ndarray, task: str) -> "AnalyticGate":
        """Add up one task's training images; an earlier entry is replaced.

        Raises:
            DataError: There are no features, or some are not finite.
        """
        own = _checked(features, task)
        self.sums_[task] = TaskSums(float(len(own)), own.sum(axis=0), own.T @ own)
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
        own = [self.sums_[name] for name in names]
        means = np.stack([sums.total / sums.count for sums in own])
        centre = means.mean(axis=0)
        covariance = np.mean([sums.moments / sums.count for sums in own], axis=0)
        covariance -= np.outer(centre, centre)
        # Of images that are all the same the variance is 0; any penalty will do then.
        variance = max(np.trace(covariance) / len(centre), 1e-12)
        covariance[np.diag_indices_from(covariance)] += self.penalty * variance
        weights = solve(covariance, (means - centre).T / len(names), assume_a="pos")
        return 1 / len(names) + (np.asarray(features, dtype=np.float64) - centre) @ weights

    def predict_proba(
        self, features: np.ndarray, tasks: Collection[str] | None = None
    ) -> np.ndarray:
        """Return the weights [N, T] of the heads, float64, each row summing to 1."""
        return softmax(self.sharpness * self.transform(features, tasks), axis=1)

    def stored(self, task: str) -> int:
        """Return how many numbers a task's sums are."""
        return self.sums_[task].packed().size


def _checked(features: np.ndarray, task: str) -> np.ndarray:
    """Return one stage's features in double precision, or refuse them."""
    if not (len(features) and np.isfinite(features).all()):
        raise DataError(f"task '{task}': the gate needs finite features of at least one image")
    return np.asarray(features, dtype=np.float64)


def _ward_means(features: np.ndarray, n_clusters: int, random_state: int) -> np.ndarray:
    """Return the means [K, C] of Ward's clusters, where there are more distinct images than K."""
    if len(features) > WARD_LIMIT:
        drawn = np.random.default_rng(random_state).permutation(len(features))[:WARD_LIMIT]
        features = features[np.sort(drawn)]
    labels = AgglomerativeClustering(n_clusters, linkage="ward").fit_predict(features)
    return np.stack([features[labels == label].mean(axis=0) for label in range(n_clusters)])

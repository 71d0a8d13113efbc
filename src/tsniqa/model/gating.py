"""The K-means gate: which task's images does an image resemble?

With the normalization of a fixed reference network, every task leaves behind K-means centroids of
its training images' features at two stages; the distance to the nearest centroid of each task
decides how much weight each head gets (Zhang et al., TIP 2024).
"""

from collections.abc import Sequence

import numpy as np
from scipy.spatial.distance import cdist
from scipy.special import softmax
from sklearn.base import BaseEstimator
from sklearn.cluster import KMeans

from tsniqa.errors import ConfigError, DataError

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
        n_init: Number of K-means restarts.
        temperature: See :func:`softmin_weights`.
        centroids_: For each task, one float32 array [min(K, n), C] per stage.
    """

    def __init__(
        self, n_clusters: int = 128, n_init: int = 20, temperature: float = TEMPERATURE
    ) -> None:
        self.n_clusters = n_clusters
        self.n_init = n_init
        self.temperature = temperature
        self.centroids_: dict[str, list[np.ndarray]] = {}

    def partial_fit(
        self, features: Sequence[np.ndarray], task: str, random_state: int = 0
    ) -> "KMeansGate":
        """Learn the centroids of one task's training images; an earlier entry is replaced.

        Raises:
            DataError: There are no features, or some are not finite.
        """
        if not all(len(stage) and np.isfinite(stage).all() for stage in features):
            raise DataError(f"task '{task}': the gate needs finite features of at least one image")
        self.centroids_[task] = [self._centroids(stage, random_state) for stage in features]
        return self

    def _centroids(self, features: np.ndarray, random_state: int) -> np.ndarray:
        distinct = np.unique(features, axis=0)
        if len(distinct) <= self.n_clusters:
            # One centroid an image is the exact optimum; K-means could only approach it.
            return distinct.astype(np.float32)
        kmeans = KMeans(self.n_clusters, n_init=self.n_init, random_state=random_state)
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

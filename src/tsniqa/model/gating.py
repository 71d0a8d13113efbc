"""The K-means gate: which task's images does an image resemble?

With the normalization of a fixed reference network, every task leaves behind K-means centroids of
its training images' features at two stages; the distance to the nearest centroid of each task
decides how much weight each head gets (the paper).
"""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.spatial.distance import cdist
from scipy.special import softmax
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


class KMeansGate:
    """Centroids of every task's features, in the manner of a scikit-learn estimator.

    Attributes:
        centroids_: For each task, one float32 array [min(clusters, n), C] per stage.
    """

    def __init__(
        self, clusters: int = 128, n_init: int = 20, temperature: float = TEMPERATURE
    ) -> None:
        """Set the gate up.

        Args:
            clusters: Largest number of centroids K per task and stage.
            n_init: Number of K-means restarts.
            temperature: See :func:`softmin_weights`.
        """
        self.clusters = clusters
        self.n_init = n_init
        self.temperature = temperature
        self.centroids_: dict[str, list[np.ndarray]] = {}

    def fit(self, features: Sequence[np.ndarray], task: str, random_state: int = 0) -> "KMeansGate":
        """Learn one task's centroids; other tasks' stay as they are.

        Args:
            features: One float32 array [n, C] per stage, of the task's training images.
            task: The task's name; an existing entry is replaced.
            random_state: Seed of K-means.

        Returns:
            The gate itself.

        Raises:
            DataError: There are no features, or some are not finite.
        """
        if not all(len(stage) and np.isfinite(stage).all() for stage in features):
            raise DataError(f"task '{task}': the gate needs finite features of at least one image")
        self.centroids_[task] = [self._centroids(stage, random_state) for stage in features]
        return self

    def _centroids(self, features: np.ndarray, random_state: int) -> np.ndarray:
        distinct = np.unique(features, axis=0)
        if len(distinct) <= self.clusters:
            # One centroid an image is the exact optimum; K-means could only approach it.
            return distinct.astype(np.float32)
        kmeans = KMeans(self.clusters, n_init=self.n_init, random_state=random_state)
        return kmeans.fit(features).cluster_centers_.astype(np.float32)

    @property
    def tasks_(self) -> list[str]:
        """Names of the fitted tasks, sorted: the order of columns everywhere."""
        return sorted(self.centroids_)

    def distances(self, features: Sequence[np.ndarray]) -> np.ndarray:
        """Measure how far images are from every task.

        Args:
            features: One float32 array [N, C] per stage.

        Returns:
            Float32 array [N, T, stages]: smallest Euclidean distance of each image to the
            centroids of each task, tasks in name order.

        Raises:
            ConfigError: No task has been fitted.
        """
        if not self.centroids_:
            raise ConfigError("the gate knows no task yet; fit it on at least one task first")
        columns = [
            [
                cdist(stage, centroids).min(axis=1)
                for stage, centroids in zip(features, self.centroids_[task], strict=True)
            ]
            for task in self.tasks_
        ]
        return np.asarray(columns, dtype=np.float32).transpose(2, 0, 1)

    def weights(self, features: Sequence[np.ndarray]) -> np.ndarray:
        """Return the weights [N, T] of the heads for images' features (tasks in name order)."""
        return softmin_weights(self.distances(features), self.temperature)

    def stored(self, task: str) -> int:
        """Return how many numbers a task's centroids are."""
        return sum(stage.size for stage in self.centroids_[task])

    def state(self) -> dict[str, np.ndarray]:
        """Return all centroids by ``<task>/<stage>``, for storage."""
        return {
            f"{task}/{stage}": centroids
            for task, stages in self.centroids_.items()
            for stage, centroids in enumerate(stages)
        }

    def load_state(self, state: Mapping[str, np.ndarray]) -> None:
        """Replace all centroids by those of :meth:`state`."""
        tasks: dict[str, dict[int, np.ndarray]] = {}
        for key, centroids in state.items():
            task, stage = key.rsplit("/", 1)
            tasks.setdefault(task, {})[int(stage)] = np.asarray(centroids)
        self.centroids_ = {
            task: [stages[i] for i in sorted(stages)] for task, stages in tasks.items()
        }

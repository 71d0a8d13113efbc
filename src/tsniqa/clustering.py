"""K-means, started at random as the paper does, or from Ward's clusters."""

import numpy as np
from sklearn.cluster import AgglomerativeClustering, KMeans

WARD_LIMIT = 4000
"""Ward's clusters take memory and time that grow with the square of the number of images."""


def centroids(
    features: np.ndarray, n_clusters: int, start: str, n_init: int, random_state: int
) -> np.ndarray:
    """Return the centroids [min(K, n), C] of K-means, float64, in double precision throughout.

    Args:
        features: Float array [n, C].
        n_clusters: Largest number of centroids K.
        start: ``k-means++``, or ``ward``: once from the means of Ward's clusters, of
            :data:`WARD_LIMIT` images drawn by the seed where there are more. Nothing else is random
            then, and no noise in the last bits of the features ends in other centroids.
        n_init: Number of restarts of ``k-means++``; the best is taken.
        random_state: The seed.
    """
    features = np.asarray(features, dtype=np.float64)
    distinct = np.unique(features, axis=0)
    if len(distinct) <= n_clusters:
        # One centroid an image is the exact optimum; K-means could only approach it.
        return distinct
    if start == "ward":
        start, n_init = _ward_means(features, n_clusters, random_state), 1
    kmeans = KMeans(n_clusters, init=start, n_init=n_init, max_iter=1000, random_state=random_state)
    return kmeans.fit(features).cluster_centers_


def _ward_means(features: np.ndarray, n_clusters: int, random_state: int) -> np.ndarray:
    """Return the means [K, C] of Ward's clusters."""
    if len(features) > WARD_LIMIT:
        drawn = np.random.default_rng(random_state).permutation(len(features))[:WARD_LIMIT]
        features = features[np.sort(drawn)]
    labels = AgglomerativeClustering(n_clusters, linkage="ward").fit_predict(features)
    return np.stack([features[labels == label].mean(axis=0) for label in range(n_clusters)])

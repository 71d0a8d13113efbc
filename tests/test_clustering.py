"""Centroids: what Ward's start sees."""

import numpy as np
from sklearn.cluster import KMeans

from tsniqa import clustering
from tsniqa.clustering import centroids


def test_wards_clusters_of_many_images_are_those_of_a_seeded_part(monkeypatch):
    values = np.random.default_rng(0).normal(size=(240, 5)).astype(np.float32)
    ward, given = clustering._ward_means, []
    monkeypatch.setattr(clustering, "WARD_LIMIT", 100)
    monkeypatch.setattr(
        clustering, "_ward_means", lambda *rest: given.append(ward(*rest)) or given[-1]
    )
    first, *_ = (centroids(values, 8, "ward", 1, seed) for seed in (0, 0, 1))
    assert np.array_equal(given[0], given[1])
    assert not np.array_equal(given[0], given[2])
    assert all(start.shape == (8, 5) for start in given)
    # K-means itself sees all images.
    expected = KMeans(8, init=given[0], n_init=1).fit(values.astype(float)).cluster_centers_
    assert np.array_equal(first, expected)


def test_wards_means_by_hand():
    values = np.array([[0.0], [1.0], [10.0], [11.0], [30.0]])
    assert sorted(clustering._ward_means(values, 3, 0).ravel()) == [0.5, 10.5, 30.0]
    assert sorted(centroids(values, 3, "ward", 1, 0).ravel()) == [0.5, 10.5, 30.0]

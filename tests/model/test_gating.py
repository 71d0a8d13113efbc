"""The K-means gate against brute force."""

import copy
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.base import clone

from tsniqa.errors import ConfigError, DataError
from tsniqa.model.gating import KMeansGate, softmin_weights


def unit(count, width, seed):
    values = np.random.default_rng(seed).normal(size=(count, width)).astype(np.float32)
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def stages(count, seed):
    return [unit(count, 6, seed), unit(count, 9, seed + 1000)]


def fitted(clusters=4, counts=(30, 3, 11)):
    gate = KMeansGate(n_clusters=clusters, n_init=3)
    for seed, (task, count) in enumerate(zip(("zebra", "ant", "mole"), counts, strict=True)):
        gate.partial_fit(stages(count, seed), task, random_state=seed)
    return gate


def slow_distances(gate, features):
    """Loop over images, tasks, stages and centroids with plain Python arithmetic."""
    return [
        [
            [
                min(
                    math.sqrt(sum((float(a) - float(b)) ** 2 for a, b in zip(x, c, strict=True)))
                    for c in gate.centroids_[task][stage]
                )
                for stage, x in enumerate(image)
            ]
            for task in sorted(gate.centroids_)
        ]
        for image in zip(*features, strict=True)
    ]


def slow_weights(distances, temperature):
    """Softmin by its definition, a stage at a time."""
    rows = []
    for image in distances:
        per_stage = []
        for stage in range(len(image[0])):
            terms = [math.exp(-temperature * float(task[stage])) for task in image]
            per_stage.append([term / sum(terms) for term in terms])
        rows.append([sum(column) / len(per_stage) for column in zip(*per_stage, strict=True)])
    return rows


def test_distances_and_weights_equal_brute_force():
    gate, probes = fitted(), stages(13, 77)
    distances = gate.transform(probes)
    assert distances.shape == (13, 3, 2)
    assert distances.dtype == np.float32
    np.testing.assert_allclose(distances, slow_distances(gate, probes), rtol=1e-6)
    np.testing.assert_allclose(
        gate.predict_proba(probes), slow_weights(distances, gate.temperature), rtol=1e-12
    )


def test_columns_are_in_name_order_whatever_the_order_of_fitting():
    gate, other = fitted(), KMeansGate(n_clusters=4, n_init=3)
    assert gate.tasks_ == ["ant", "mole", "zebra"]
    for seed, task, count in ((1, "ant", 3), (2, "mole", 11), (0, "zebra", 30)):
        other.partial_fit(stages(count, seed), task, random_state=seed)
    assert np.array_equal(gate.transform(stages(5, 8)), other.transform(stages(5, 8)))


def test_centroids_are_a_fixed_point_of_lloyds_algorithm():
    features = stages(60, 5)
    gate = KMeansGate(n_clusters=7, n_init=5).partial_fit(features, "a", random_state=1)
    for values, centroids in zip(features, gate.centroids_["a"], strict=True):
        assert centroids.shape == (7, values.shape[1])
        nearest = ((values[:, None] - centroids) ** 2).sum(2).argmin(1)
        means = np.stack([values[nearest == k].mean(0) for k in range(7)])
        np.testing.assert_allclose(centroids, means, atol=1e-5)


@pytest.mark.parametrize("count", [1, 3, 4])
def test_with_few_images_each_is_its_own_centroid(count):
    features = stages(count, 3)
    gate = KMeansGate(n_clusters=4).partial_fit(features, "a")
    for values, centroids in zip(features, gate.centroids_["a"], strict=True):
        assert {tuple(row) for row in values} == {tuple(row) for row in centroids}
    assert np.array_equal(gate.transform(features), np.zeros((count, 1, 2)))
    gate.partial_fit([np.repeat(stage, 5, axis=0) for stage in features], "a")
    assert [len(stage) for stage in gate.centroids_["a"]] == [count, count]


def test_the_default_is_the_papers_and_stores_98304_numbers_with_resnet18():
    gate = KMeansGate(n_init=1)
    assert (KMeansGate().n_clusters, KMeansGate().n_init, KMeansGate().temperature) == (
        128,
        20,
        32.0,
    )
    gate.partial_fit([unit(140, 256, 0), unit(140, 512, 1)], "a")
    assert gate.stored("a") == 98_304


def test_one_more_task_leaves_the_others_alone():
    gate, probes = fitted(), stages(5, 9)
    before, distances = copy.deepcopy(gate.centroids_), gate.transform(probes)
    gate.partial_fit(stages(20, 50), "newt", random_state=4)
    for task, own in before.items():
        assert all(map(np.array_equal, gate.centroids_[task], own))
    assert np.array_equal(gate.transform(probes)[:, [0, 1, 3]], distances)
    assert gate.stored("ant") == 3 * (6 + 9)


def test_it_is_an_estimator_of_scikit_learn():
    gate = fitted()
    options = {"n_clusters": 4, "n_init": 3, "temperature": 32.0}
    assert gate.get_params() == options
    fresh = clone(gate)
    assert fresh.get_params() == options
    assert fresh.tasks_ == []
    assert fresh.set_params(temperature=2.0).temperature == 2.0
    assert gate.tasks_ == ["ant", "mole", "zebra"]


def test_an_empty_gate_and_unusable_features_are_refused():
    with pytest.raises(ConfigError, match="the gate knows no task yet"):
        KMeansGate().transform(stages(2, 0))
    with pytest.raises(DataError, match="task 'a': the gate needs finite features"):
        KMeansGate().partial_fit([np.empty((0, 4), np.float32)] * 2, "a")
    with pytest.raises(DataError, match="task 'a': the gate needs finite features"):
        KMeansGate().partial_fit([np.full((3, 4), np.nan, np.float32)] * 2, "a")


some_distances = st.tuples(st.integers(1, 5), st.integers(1, 6), st.integers(1, 3)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=st.floats(0, 2))
)


@given(distances=some_distances, temperature=st.floats(0.1, 200))
def test_weights_are_probabilities_and_equal_the_definition(distances, temperature):
    weights = softmin_weights(distances, temperature)
    assert weights.shape == distances.shape[:2]
    assert (weights >= 0).all()
    np.testing.assert_allclose(weights.sum(1), 1, atol=1e-12)
    np.testing.assert_allclose(weights, slow_weights(distances, temperature), atol=1e-12)


@given(distances=some_distances, data=st.data())
def test_permuted_tasks_permute_the_weights(distances, data):
    order = data.draw(st.permutations(range(distances.shape[1])))
    permuted = softmin_weights(distances[:, order])
    np.testing.assert_allclose(permuted, softmin_weights(distances)[:, order], rtol=1e-12)


@given(distances=arrays(np.float32, (4, 1, 2), elements=st.floats(0, 2, width=32)))
def test_a_single_task_has_weight_exactly_one(distances):
    assert np.array_equal(softmin_weights(distances), np.ones((4, 1)))


@given(distances=some_distances)
def test_a_nearer_task_never_weighs_less(distances):
    weights = softmin_weights(distances)
    nearer = (distances[:, :, None] <= distances[:, None]).all(axis=3)
    assert (weights[:, :, None] >= weights[:, None] - 1e-12)[nearer].all()

"""Both gates against brute force."""

import copy
import math
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import softmax
from sklearn.base import clone
from sklearn.linear_model import Ridge

from tsniqa.errors import ConfigError, DataError
from tsniqa.model.gating import AnalyticGate, KMeansGate, softmin_weights


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


@pytest.mark.parametrize("start", ["k-means++", "ward"])
def test_centroids_are_a_fixed_point_of_lloyds_algorithm(start):
    features = stages(60, 5)
    gate = KMeansGate(7, n_init=5, start=start).partial_fit(features, "a", random_state=1)
    for values, centroids in zip(features, gate.centroids_["a"], strict=True):
        assert centroids.shape == (7, values.shape[1])
        nearest = ((values[:, None] - centroids) ** 2).sum(2).argmin(1)
        means = np.stack([values[nearest == k].mean(0) for k in range(7)])
        np.testing.assert_allclose(centroids, means, atol=1e-5)


def inertia(gate, features):
    return float((gate.transform(features).astype(float) ** 2).sum())


def clusters(seed, groups=20, each=12, spread=0.35):
    """L2-normalised features in overlapping groups, as those of real images are."""
    random = np.random.default_rng(seed)
    centres = np.repeat(random.normal(size=(groups, 12)), each, axis=0)
    values = np.abs(centres + spread * random.normal(size=centres.shape)).astype(np.float32)
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def noisy(values, seed):
    noise = 1e-7 * np.random.default_rng(seed).normal(size=values.shape)
    return (values * (1 + noise)).astype(np.float32)


def test_wards_start_ends_lower_than_one_of_k_means_and_as_low_as_many():
    starts = {"ward": ("ward", 1), "once": ("k-means++", 1), "often": ("k-means++", 20)}
    found = {name: 0.0 for name in starts}
    for seed in range(6):
        values = clusters(seed)
        for name, (start, restarts) in starts.items():
            gate = KMeansGate(24, restarts, start=start).partial_fit([values, values], "a", seed)
            found[name] += inertia(gate, [values, values])
    assert found["ward"] < 0.98 * found["once"]
    assert found["ward"] < 1.01 * found["often"]


def test_wards_start_ends_in_the_same_centroids_whatever_the_last_bits_of_the_features():
    moved = 0.0
    for seed in range(6):
        values = clusters(seed)
        probes = [clusters(seed + 100)] * 2
        first, second, other_seed = (
            KMeansGate(24, start="ward").partial_fit([own, own], "a", random_state)
            for own, random_state in ((values, 0), (noisy(values, seed), 0), (values, 1))
        )
        moved = max(moved, np.abs(first.transform(probes) - second.transform(probes)).max())
        assert np.array_equal(first.transform(probes), other_seed.transform(probes))
    assert moved < 1e-6


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
    options = {"n_clusters": 4, "n_init": 3, "temperature": 32.0, "start": "k-means++"}
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


# The analytic gate.

COUNTS = {"zebra": 30, "ant": 7, "mole": 11}


def analytic(tasks=tuple(COUNTS), counts=COUNTS, **options):
    gate = AnalyticGate(**options)
    for task in tasks:
        gate.partial_fit(unit(counts[task], 6, sum(map(ord, task))), task)
    return gate


@given(seed=st.integers(0, 999), penalty=st.floats(1e-3, 10), sharpness=st.floats(0.1, 30))
def test_outputs_equal_a_ridge_regression_in_which_every_task_weighs_the_same(
    seed, penalty, sharpness
):
    own = {task: unit(count, 6, seed + i) for i, (task, count) in enumerate(COUNTS.items())}
    gate = AnalyticGate(penalty, sharpness)
    for task, values in own.items():
        gate.partial_fit(values, task)
    names = sorted(own)
    values = np.concatenate([own[task] for task in names]).astype(float)
    targets = np.repeat(np.eye(3), [len(own[task]) for task in names], axis=0)
    weights = np.concatenate([np.full(len(own[task]), 1 / len(own[task])) for task in names]) / 3
    centre = weights @ values
    variance = (weights @ (values - centre) ** 2).mean()
    ridge = Ridge(alpha=penalty * variance).fit(values, targets, sample_weight=weights)
    probes = unit(9, 6, seed + 50)
    np.testing.assert_allclose(gate.transform(probes), ridge.predict(probes), atol=1e-9)
    expected = softmax(sharpness * ridge.predict(probes), axis=1)
    np.testing.assert_allclose(gate.predict_proba(probes), expected, atol=1e-9)


def test_two_images_by_hand():
    gate = AnalyticGate(penalty=1.0, sharpness=math.log(3))
    gate.partial_fit(np.array([[1.0, 0.0]]), "a").partial_fit(np.array([[0.0, 1.0]]), "b")
    # Covariance [[1, -1], [-1, 1]] / 4 has the mean variance 1/4, so the system is
    # [[2, -1], [-1, 2]] / 4, and the weights of task a are (1/3, -1/3).
    outputs = np.array([[5, 1], [3, 3], [1, 5]]) / 6
    probes = np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])
    np.testing.assert_allclose(gate.transform(probes), outputs, atol=1e-12)
    share = 3 ** (2 / 3) / (1 + 3 ** (2 / 3))
    np.testing.assert_allclose(gate.predict_proba(probes)[0], [share, 1 - share], atol=1e-12)


def test_tasks_and_seen_tasks_in_any_order_give_the_same_bits():
    probes, expected = unit(9, 6, 1), analytic().transform(unit(9, 6, 1))
    pair = analytic(("ant", "zebra")).predict_proba(probes)
    for order in permutations(COUNTS):
        gate = analytic(order)
        assert gate.tasks_ == ["ant", "mole", "zebra"]
        assert np.array_equal(gate.transform(probes), expected)
        assert np.array_equal(gate.transform(probes, order), expected)
        seen = [task for task in order if task != "mole"]
        assert np.array_equal(gate.predict_proba(probes, seen), pair)


def test_merging_two_gates_is_the_union_of_their_sums_bit_for_bit():
    merged = AnalyticGate()
    merged.sums_ = analytic(("mole",)).sums_ | analytic(("zebra", "ant")).sums_
    probes = unit(9, 6, 2)
    assert np.array_equal(merged.transform(probes), analytic().transform(probes))


def test_the_number_of_a_tasks_images_does_not_matter():
    once, gate = unit(8, 6, 3), analytic(("ant", "mole"))
    probes, other = unit(9, 6, 4), analytic(("ant", "mole"))
    gate.partial_fit(once, "zebra")
    other.partial_fit(np.tile(once, (50, 1)), "zebra")
    np.testing.assert_allclose(gate.transform(probes), other.transform(probes), atol=1e-12)


@given(seed=st.integers(0, 999), tasks=st.integers(1, 4), sharpness=st.floats(0.1, 100))
def test_weights_of_tasks_are_probabilities_and_one_task_has_them_all(seed, tasks, sharpness):
    gate = AnalyticGate(sharpness=sharpness)
    for task in range(tasks):
        gate.partial_fit(unit(5, 4, seed + task), f"task{task}")
    probes = unit(7, 4, seed + 10)
    np.testing.assert_allclose(gate.transform(probes).sum(axis=1), 1, atol=1e-9)
    weights = gate.predict_proba(probes)
    assert weights.shape == (7, tasks)
    assert weights.dtype == np.float64
    assert (weights >= 0).all()
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-12)
    assert np.array_equal(gate.predict_proba(probes, ["task0"]), np.ones((7, 1)))


def test_images_that_are_all_the_same_are_of_every_task_alike():
    same = np.full((4, 3), 3**-0.5)
    gate = AnalyticGate().partial_fit(same, "a").partial_fit(same[:1], "b")
    np.testing.assert_allclose(gate.predict_proba(same), 0.5, atol=1e-6)


def test_sums_are_those_of_the_images_and_symmetric_in_every_bit():
    values = unit(9, 5, 0)
    sums = AnalyticGate().partial_fit(values, "a").sums_["a"]
    assert sums[0, 0] == 9
    np.testing.assert_allclose(sums[0, 1:], values.sum(axis=0, dtype=float), atol=1e-12)
    moments = sum(np.outer(row, row) for row in values.astype(float))
    np.testing.assert_allclose(sums[1:, 1:], moments, atol=1e-12)
    assert np.array_equal(sums, sums.T)


def test_an_empty_analytic_gate_an_unknown_task_and_unusable_features_are_refused():
    with pytest.raises(ConfigError, match="the gate knows no task yet"):
        AnalyticGate().transform(unit(2, 6, 0))
    with pytest.raises(ConfigError, match="unknown task 'moles'; did you mean 'mole'"):
        analytic().transform(unit(2, 6, 0), ["ant", "moles"])
    for values in (np.empty((0, 4)), np.full((3, 4), np.inf)):
        with pytest.raises(DataError, match="task 'a': the gate needs finite features"):
            AnalyticGate().partial_fit(values, "a")


def test_the_analytic_gate_is_an_estimator_of_scikit_learn():
    options = {"penalty": 0.01, "sharpness": 8.0}
    fresh = clone(analytic())
    assert fresh.get_params() == AnalyticGate().get_params() == options
    assert fresh.tasks_ == []

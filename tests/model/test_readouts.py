"""Ways to mix heads, against sums written out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsniqa.errors import ConfigError
from tsniqa.model.readouts import (
    MIXTURES,
    READOUTS,
    Level,
    mix,
    readout_levels,
    readout_weights,
    set_priors,
)

seeds = st.integers(0, 2**32 - 1)


def parts(seed, images=5, tasks=4):
    """Heads' scores, the weights of both gates, and the heads' levels."""
    random = np.random.default_rng(seed)
    heads = random.uniform(-1, 1, (images, tasks)).astype(np.float32)
    published, analytic = (random.dirichlet(np.ones(tasks), images) for _ in range(2))
    levels = [Level(*pair) for pair in random.uniform(0.1, 0.9, (tasks, 2)).tolist()]
    return heads, published, analytic, levels


def read_out(readout, heads, published, analytic, levels):
    return mix(
        heads, readout_weights(readout, published, analytic), readout_levels(readout, levels)
    )


@given(seed=seeds)
def test_every_readout_equals_its_definition(seed):
    heads, published, analytic, levels = parts(seed)
    together = [sum(column) / 5 for column in analytic.T.tolist()]
    for i, row in enumerate(heads.astype(float)):
        w, a = published[i], analytic[i]
        standard = [(b - mean) / spread for b, (mean, spread) in zip(row, levels, strict=True)]
        expected = {
            "gated": sum(x * b for x, b in zip(w, row, strict=True)),
            "calibrated": sum(x * b for x, b in zip(a, standard, strict=True)),
            "set": sum(x * b for x, b in zip(together, standard, strict=True)),
            "hard": row[max(range(4), key=lambda t, w=w: w[t])],
            "uniform": sum(row) / 4,
            "centred": sum(x * (b - c.mean) for x, b, c in zip(w, row, levels, strict=True)),
        }
        assert set(expected) == set(MIXTURES)
        for readout, value in expected.items():
            mixed = read_out(readout, heads, published, analytic, levels)
            assert mixed.dtype == np.float64
            assert mixed[i] == pytest.approx(value, abs=1e-12)
        assert row.min() - 1e-12 <= expected["gated"] <= row.max() + 1e-12


@given(seed=seeds, images=st.integers(1, 6), tasks=st.integers(1, 5))
def test_weights_sum_to_one_and_those_of_a_set_are_the_same_for_all_its_images(seed, images, tasks):
    _, published, analytic, _ = parts(seed, images, tasks)
    for readout in MIXTURES:
        weights = readout_weights(readout, published, analytic)
        assert weights.shape == (images, tasks)
        np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-12)
    weights = readout_weights("set", published, analytic)
    assert (weights == weights[0]).all()
    np.testing.assert_allclose(weights[0], analytic.mean(axis=0), atol=1e-12)


@given(seed=seeds)
def test_a_set_of_one_image_is_calibrated(seed):
    one = parts(seed, images=1)
    np.testing.assert_allclose(read_out("set", *one), read_out("calibrated", *one), atol=1e-12)


@pytest.mark.parametrize("readout", ["gated", "hard", "uniform"])
def test_one_head_is_passed_on_bit_for_bit(readout):
    heads, _, _, levels = parts(3, tasks=1)
    weights = np.ones((5, 1))
    mixed = read_out(readout, heads, weights, weights, levels)
    assert np.array_equal(mixed, heads[:, 0].astype(np.float64))
    assert np.array_equal(mix(heads, weights), mixed)


def test_a_level_is_mean_and_spread_and_never_divides_by_nothing():
    assert Level.of(np.array([1.0, 3.0])) == (2.0, 1.0)
    assert Level.of(np.float32([0.1, 0.1, 0.1])) == (pytest.approx(0.1), 1.0)
    assert Level.of(np.array([0.25])) == (0.25, 1.0)


@pytest.mark.parametrize("readout", ["calibrated", "set"])
def test_those_that_need_an_analytic_gate_say_so(readout):
    with pytest.raises(ConfigError, match=f"the readout '{readout}' needs an analytic gate"):
        readout_weights(readout, np.ones((2, 1)))
    assert np.array_equal(readout_weights("gated", np.ones((2, 1))), np.ones((2, 1)))


@pytest.mark.parametrize("readout", ["gaited", "oracle", "latest", "single"])
def test_a_readout_that_is_no_mixture_is_refused_with_the_valid_ones(readout):
    valid = "valid readouts: calibrated, centred, gated, hard, set, uniform"
    with pytest.raises(ConfigError, match=valid):
        readout_weights(readout, np.ones((2, 1)))
    assert set(READOUTS) == {*MIXTURES, "oracle", "latest"}


@given(seed=seeds, iterations=st.integers(1, 30))
def test_priors_are_probabilities_and_every_iteration_makes_the_set_more_likely(seed, iterations):
    weights = parts(seed, images=12)[2]
    np.testing.assert_allclose(set_priors(weights, 1), weights.mean(axis=0), atol=1e-12)
    before, after = (set_priors(weights, count) for count in (iterations, iterations + 1))
    assert (after >= 0).all()
    assert after.sum() == pytest.approx(1)
    likelihood = [np.log(weights @ priors).sum() for priors in (before, after)]
    assert likelihood[1] >= likelihood[0] - 1e-9


def test_priors_by_hand():
    weights = np.array([[0.8, 0.2], [0.6, 0.4]])
    assert set_priors(weights, 1) == pytest.approx([0.7, 0.3])
    first, second = 0.56 / (0.56 + 0.06), 0.42 / (0.42 + 0.12)
    share = (first + second) / 2
    assert set_priors(weights, 2) == pytest.approx([share, 1 - share])
    # Images of one task end with that task alone.
    assert set_priors(np.tile([0.7, 0.3], (3, 1)), 200) == pytest.approx([1, 0])

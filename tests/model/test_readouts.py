"""Ways to mix heads, against sums written out; and the bound of skipping."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsniqa.errors import ConfigError
from tsniqa.model.gating import softmin_weights
from tsniqa.model.readouts import MIXTURES, READOUTS, mix, skip_heads

seeds = st.integers(0, 2**32 - 1)


def scores_and_distances(seed, images=5, tasks=4):
    random = np.random.default_rng(seed)
    heads = random.uniform(-1, 1, (images, tasks)).astype(np.float32)
    return heads, random.uniform(0, 1, (images, tasks, 2)).astype(np.float32)


@given(seed=seeds, temperature=st.floats(0.1, 100))
def test_every_readout_equals_its_definition(seed, temperature):
    heads, distances = scores_and_distances(seed)
    offsets = np.random.default_rng(seed + 1).uniform(-0.5, 0.5, 4)
    weights = softmin_weights(distances, temperature)
    for i, (row, w) in enumerate(zip(heads.astype(float), weights, strict=True)):
        expected = {
            "gated": sum(a * b for a, b in zip(w, row, strict=True)),
            "hard": row[max(range(4), key=lambda t, w=w: w[t])],
            "uniform": sum(row) / 4,
            "centred": sum(a * (b - c) for a, b, c in zip(w, row, offsets, strict=True)),
        }
        for readout, value in expected.items():
            mixed = mix(heads, distances, readout, offsets, temperature)
            assert mixed.dtype == np.float64
            assert mixed[i] == pytest.approx(value, abs=1e-12)
        assert row.min() - 1e-12 <= expected["gated"] <= row.max() + 1e-12


@pytest.mark.parametrize("readout", ["gated", "hard", "uniform"])
def test_one_head_is_passed_on_bit_for_bit(readout):
    heads, distances = scores_and_distances(3, tasks=1)
    assert np.array_equal(mix(heads, distances, readout), heads[:, 0].astype(np.float64))


def test_uniform_needs_no_gate_and_the_others_say_that_they_do():
    heads, distances = scores_and_distances(0)
    assert np.array_equal(mix(heads, None, "uniform"), mix(heads, distances, "uniform"))
    for readout in ("gated", "hard", "centred"):
        with pytest.raises(ConfigError, match=f"the readout '{readout}' needs gate distances"):
            mix(heads, None, readout)
    with pytest.raises(ConfigError, match="the readout 'centred' needs head offsets"):
        mix(heads, distances, "centred")


@pytest.mark.parametrize("readout", ["gaited", "oracle", "latest", "single"])
def test_a_readout_that_is_no_mixture_is_refused_with_the_valid_ones(readout):
    with pytest.raises(ConfigError, match="valid readouts: centred, gated, hard, uniform"):
        mix(*scores_and_distances(0), readout)
    assert set(READOUTS) == {*MIXTURES, "oracle", "latest"}


@given(seed=seeds, tasks=st.integers(1, 7), tolerance=st.floats(0, 0.99), hardness=st.floats(0, 60))
def test_skipping_never_changes_a_score_by_more_than_its_bound(seed, tasks, tolerance, hardness):
    heads, distances = scores_and_distances(seed, tasks=tasks)
    heads, weights = heads.astype(float), softmin_weights(distances, hardness)
    found = skip_heads(heads, weights, tolerance)
    change = np.abs(found.scores - mix(heads, distances, "gated", temperature=hardness))
    assert (change <= found.bound + 1e-9).all()
    assert (found.bound <= 2 * found.weight + 1e-12).all()
    assert (found.weight <= tolerance + 1e-12).all()
    assert ((found.evaluated >= 1) & (found.evaluated <= tasks)).all()


def test_skipping_by_hand():
    weights, heads = np.array([[0.1, 0.2, 0.7]]), np.array([[1.0, 0.5, -0.5]])
    nothing, one, two = (skip_heads(heads, weights, delta) for delta in (0.05, 0.15, 0.3001))
    assert (nothing.evaluated[0], one.evaluated[0], two.evaluated[0]) == (3, 2, 1)
    assert nothing.scores[0] == pytest.approx(-0.15)
    assert nothing.bound[0] == 0
    assert one.scores[0] == pytest.approx((0.2 * 0.5 - 0.7 * 0.5) / 0.9)
    assert one.bound[0] == pytest.approx(0.1 * (1 + 0.25 / 0.9))
    assert two.scores[0] == -0.5


def test_the_bound_is_reached_when_skipped_heads_contradict_all_others():
    skipped = skip_heads(np.array([[1.0, 1.0, -1.0]]), np.array([[0.6, 0.3, 0.1]]), 0.1)
    assert skipped.scores == pytest.approx([1])
    assert skipped.scores - 0.8 == pytest.approx(2 * skipped.weight)


def test_as_many_heads_are_skipped_as_the_tolerance_allows():
    """The exercise in the book: weights 0.70, 0.20, 0.06, 0.03, 0.01, 0."""
    weights = np.array([[0.70, 0.20, 0.06, 0.03, 0.01, 0.0]])
    heads = np.zeros((1, 6))
    evaluated = [skip_heads(heads, weights, t).evaluated[0] for t in (0, 0.01, 0.05, 0.99)]
    assert evaluated == [5, 4, 3, 1]


@pytest.mark.parametrize("tolerance", [-0.1, 1.0, float("nan")])
def test_a_tolerance_out_of_range_is_refused(tolerance):
    with pytest.raises(ConfigError, match=r"must lie in \[0, 1\)"):
        skip_heads(np.zeros((1, 2)), np.full((1, 2), 0.5), tolerance)

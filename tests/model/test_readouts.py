"""Ways to mix heads, against sums written out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsniqa.errors import ConfigError
from tsniqa.model.gating import softmin_weights
from tsniqa.model.readouts import MIXTURES, USES, mix


def scores_and_distances(seed, images=5, tasks=4):
    random = np.random.default_rng(seed)
    heads = random.uniform(-1, 1, (images, tasks)).astype(np.float32)
    return heads, random.uniform(0, 1, (images, tasks, 2)).astype(np.float32)


@given(seed=st.integers(0, 2**32 - 1), temperature=st.floats(0.1, 100))
def test_every_use_equals_its_definition(seed, temperature):
    heads, distances = scores_and_distances(seed)
    offsets = np.random.default_rng(seed + 1).uniform(-0.5, 0.5, 4)
    weights = softmin_weights(distances, temperature)
    for i in range(len(heads)):
        row = [float(value) for value in heads[i]]
        w = [float(value) for value in weights[i]]
        expected = {
            "gated": sum(a * b for a, b in zip(w, row, strict=True)),
            "hard": row[max(range(4), key=lambda t: w[t])],
            "uniform": sum(row) / 4,
            "centred": sum(a * (b - c) for a, b, c in zip(w, row, offsets, strict=True)),
        }
        for use, value in expected.items():
            mixed = mix(heads, distances, use, offsets, temperature)
            assert mixed.dtype == np.float64
            assert mixed[i] == pytest.approx(value, abs=1e-12)


@given(seed=st.integers(0, 2**32 - 1))
def test_gated_scores_stay_between_the_lowest_and_the_highest_head(seed):
    heads, distances = scores_and_distances(seed)
    gated = mix(heads, distances, "gated")
    assert (gated >= heads.min(1) - 1e-12).all()
    assert (gated <= heads.max(1) + 1e-12).all()


@pytest.mark.parametrize("use", ["gated", "hard", "uniform"])
def test_one_head_is_passed_on_bit_for_bit(use):
    heads, distances = scores_and_distances(3, tasks=1)
    assert np.array_equal(mix(heads, distances, use), heads[:, 0].astype(np.float64))


def test_uniform_needs_no_gate_and_the_others_say_that_they_do():
    heads, distances = scores_and_distances(0)
    assert np.array_equal(mix(heads, None, "uniform"), mix(heads, distances, "uniform"))
    for use in ("gated", "hard", "centred"):
        with pytest.raises(ConfigError, match=f"the use '{use}' needs gate distances"):
            mix(heads, None, use)
    with pytest.raises(ConfigError, match="the use 'centred' needs head offsets"):
        mix(heads, distances, "centred")


@pytest.mark.parametrize("use", ["gaited", "oracle", "latest", "single"])
def test_a_use_that_is_no_mixture_is_refused_with_the_valid_ones(use):
    heads, distances = scores_and_distances(0)
    with pytest.raises(ConfigError, match="valid mixtures: centred, gated, hard, uniform"):
        mix(heads, distances, use)


def test_uses_are_the_mixtures_and_the_two_that_pick_one_head():
    assert set(USES) == {*MIXTURES, "oracle", "latest"}

"""The certified bound of skipped heads holds, and is tight."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsniqa.errors import ConfigError
from tsniqa.model import readouts


@given(st.integers(1, 8), st.integers(0, 2**31), st.floats(0, 0.999), st.floats(0.1, 40))
def test_a_score_changes_by_at_most_twice_the_skipped_weight(tasks, seed, tolerance, hardness):
    random = np.random.default_rng(seed)
    heads = random.uniform(-1, 1, (50, tasks))
    weights = np.exp(hardness * random.normal(size=(50, tasks)))
    weights /= weights.sum(axis=1, keepdims=True)
    skipped = readouts.skip_heads(heads, weights, tolerance)
    change = np.abs(skipped.scores - (weights * heads).sum(axis=1))
    assert (skipped.weight <= tolerance).all()
    assert (change <= skipped.bound + 1e-12).all()
    assert (skipped.bound <= 2 * skipped.weight + 1e-12).all()
    assert (skipped.evaluated >= 1).all()


def test_the_bound_is_reached_when_skipped_heads_contradict_all_others():
    skipped = readouts.skip_heads(np.array([[1.0, 1.0, -1.0]]), np.array([[0.6, 0.3, 0.1]]), 0.1)
    assert skipped.scores == pytest.approx([1])
    assert skipped.scores - 0.8 == pytest.approx(2 * skipped.weight)


def test_as_many_heads_are_skipped_as_the_tolerance_allows():
    """The exercise in the book: weights 0.70, 0.20, 0.06, 0.03, 0.01, 0."""
    weights = np.array([[0.70, 0.20, 0.06, 0.03, 0.01, 0.0]])
    heads = np.zeros((1, 6))
    evaluated = [readouts.skip_heads(heads, weights, t).evaluated[0] for t in (0, 0.01, 0.05, 0.99)]
    assert evaluated == [5, 4, 3, 1]


@pytest.mark.parametrize("tolerance", [-0.1, 1.0])
def test_a_weight_that_cannot_be_skipped_is_refused(tolerance):
    with pytest.raises(ConfigError, match=r"must lie in \[0, 1\)"):
        readouts.skip_heads(np.zeros((1, 2)), np.full((1, 2), 0.5), tolerance)

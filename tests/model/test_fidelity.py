"""The pair loss against its closed form, and its gradient by hand."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from tsniqa import fidelity_loss, thurstone

scores = st.floats(-1, 1, allow_nan=False)


def double(values):
    return torch.tensor(values, dtype=torch.float64)


@given(scores, scores)
def test_thurstone_is_the_normal_distribution_of_the_difference_over_root_two(first, second):
    there = thurstone(double(first), double(second)).item()
    back = thurstone(double(second), double(first)).item()
    assert there == pytest.approx(norm.cdf((first - second) / math.sqrt(2)), abs=1e-15)
    assert there + back == pytest.approx(1, abs=1e-15)


def test_thurstone_keeps_tiny_probabilities():
    value = thurstone(double(-20.0), double(0.0)).item()
    assert value == pytest.approx(norm.cdf(-20 / math.sqrt(2)), rel=1e-12)
    assert value > 0


def test_fidelity_loss_at_hand_computed_points():
    probability = double([1.0, 0.0, 0.5, 0.25, 0.36])
    target = double([1.0, 1.0, 1.0, 0.0, 0.36])
    expected = [0.0, 1.0, 1 - math.sqrt(0.5), 1 - math.sqrt(0.75), 0.0]
    got = fidelity_loss(probability, target, epsilon=0.0)
    np.testing.assert_allclose(got.numpy(), expected, atol=1e-15)


def test_epsilon_stands_under_both_roots():
    got = fidelity_loss(double(1.0), double(1.0), epsilon=1e-4).item()
    assert got == pytest.approx(1 - math.sqrt(1 + 1e-4) - 1e-2, abs=1e-15)


@given(st.floats(0, 1), st.floats(0, 1))
def test_fidelity_loss_is_least_where_the_model_agrees(probability, target):
    agreeing = fidelity_loss(double(target), double(target)).item()
    # The small term moves the least point by less than its root.
    assert fidelity_loss(double(probability), double(target)).item() >= agreeing - 1e-4


@given(scores, scores, st.sampled_from([0.0, 1.0]))
def test_gradient_equals_the_derivative_worked_out_by_hand(first, second, target):
    x = double(first).requires_grad_()
    fidelity_loss(thurstone(x, double(second)), double(target)).backward()
    p = norm.cdf((first - second) / math.sqrt(2))
    slope = norm.pdf((first - second) / math.sqrt(2)) / math.sqrt(2)
    agree = target * slope / (2 * math.sqrt(p * target + 1e-8))
    disagree = (1 - target) * slope / (2 * math.sqrt((1 - p) * (1 - target) + 1e-8))
    assert x.grad.item() == pytest.approx(-agree + disagree, rel=1e-9)

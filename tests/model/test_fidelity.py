"""The pair loss against its closed form, its gradient by hand, and pairs formed by loops."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from tsniqa.model.fidelity import fidelity_loss, in_batch_pairs, pair_loss, thurstone

scores = st.floats(-1, 1, allow_nan=False)
labels = st.lists(st.integers(0, 4), min_size=0, max_size=8)


def double(values):
    return torch.tensor(values, dtype=torch.float64)


@given(scores, scores)
def test_thurstone_is_the_normal_distribution_of_the_difference_over_root_two(first, second):
    expected = norm.cdf((first - second) / math.sqrt(2))
    assert thurstone(double(first), double(second)).item() == pytest.approx(expected, abs=1e-15)


@given(scores, scores)
def test_thurstone_of_swapped_images_is_the_complement(first, second):
    there = thurstone(double(first), double(second))
    back = thurstone(double(second), double(first))
    assert (there + back).item() == pytest.approx(1, abs=1e-15)


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


def test_gradient_equals_finite_differences_over_a_whole_batch():
    values = double([0.3, -0.2, 0.9, 0.1, -0.7]).requires_grad_()
    mos = double([3.0, 1.0, 4.0, 1.0, 5.0])
    assert torch.autograd.gradcheck(lambda s: pair_loss(s, mos), values)


@given(labels, st.booleans())
def test_pairs_equal_a_double_loop(mos, drop_ties):
    expected = [
        (i, j, 1.0 if mos[i] >= mos[j] else 0.0)
        for i in range(len(mos))
        for j in range(i + 1, len(mos))
        if not (drop_ties and mos[i] == mos[j])
    ]
    first, second, target = in_batch_pairs(double(mos), drop_ties)
    assert list(zip(first.tolist(), second.tolist(), target.tolist(), strict=True)) == expected


def test_a_batch_without_ties_gives_all_pairs():
    assert len(in_batch_pairs(torch.arange(16.0))[0]) == 16 * 15 // 2


def test_whole_number_labels_give_floating_point_targets():
    assert in_batch_pairs(torch.tensor([1, 2]))[2].dtype == torch.float32


@given(st.lists(st.tuples(scores, st.integers(0, 3)), min_size=1, max_size=7), st.booleans())
def test_pair_loss_is_the_mean_over_pairs_computed_one_by_one(images, drop_ties):
    losses = []
    for i, (score_i, mos_i) in enumerate(images):
        for score_j, mos_j in images[i + 1 :]:
            if drop_ties and mos_i == mos_j:
                continue
            p_hat = norm.cdf((score_i - score_j) / math.sqrt(2))
            p = float(mos_i >= mos_j)
            losses.append(1 - math.sqrt(p * p_hat + 1e-8) - math.sqrt((1 - p) * (1 - p_hat) + 1e-8))
    got = pair_loss(
        double([s for s, _ in images]), double([float(m) for _, m in images]), drop_ties
    )
    assert got.item() == pytest.approx(np.mean(losses) if losses else 0.0, abs=1e-12)


def test_only_differences_of_scores_matter():
    values, mos = double([0.1, 0.5, -0.3]), double([2.0, 3.0, 1.0])
    assert pair_loss(values + 0.25, mos).item() == pytest.approx(pair_loss(values, mos).item())


@pytest.mark.parametrize("mos", [[2.0, 2.0, 2.0], [1.0], []])
def test_no_pair_left_gives_zero_with_a_zero_gradient(mos):
    values = torch.zeros(len(mos), requires_grad=True)
    loss = pair_loss(values, torch.tensor(mos))
    loss.backward()
    assert loss.item() == 0
    assert (values.grad == 0).all()


def test_kept_ties_pull_the_second_image_below_the_first():
    values = torch.zeros(2, requires_grad=True)
    pair_loss(values, torch.ones(2), drop_ties=False).backward()
    assert values.grad[0] < 0 < values.grad[1]


def test_half_precision_scores_give_a_single_precision_loss():
    loss = pair_loss(torch.tensor([0.5, -0.5], dtype=torch.bfloat16), torch.tensor([1.0, 0.0]))
    assert loss.dtype == torch.float32


def test_scores_and_labels_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match=r"scores \(3,\) and mos \(2,\)"):
        pair_loss(torch.zeros(3), torch.zeros(2))

"""Measures against hand-computed values and slow, independent implementations."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tsniqa import metrics

NAN = float("nan")
values = st.integers(-50, 50).map(float)
vectors = st.integers(2, 12).flatmap(
    lambda n: st.tuples(
        st.lists(values, min_size=n, max_size=n), st.lists(values, min_size=n, max_size=n)
    )
)

S = np.array([[0.8, NAN, NAN], [0.6, 0.7, NAN], [0.4, 0.5, 0.9]])
SUMMARIES = (metrics.mean_plasticity, metrics.mean_stability, metrics.mean_srcc, metrics.mpsr)
AGREEMENT = np.array([[1.0, NAN, NAN], [0.9, 1.0, NAN], [0.6, 0.8, 1.0]])


def slow_rank(data, x):
    """Average rank of x by counting."""
    return sum(d < x for d in data) + (sum(d == x for d in data) + 1) / 2


def slow_pearson(x, y):
    mx, my = math.fsum(x) / len(x), math.fsum(y) / len(y)
    cov = math.fsum((a - mx) * (b - my) for a, b in zip(x, y, strict=True))
    var = math.fsum((a - mx) ** 2 for a in x) * math.fsum((b - my) ** 2 for b in y)
    return cov / math.sqrt(var) if var else NAN


def slow_kendall(x, y):
    """Tau-b by comparing every pair."""
    agree = x_differs = y_differs = 0
    for i in range(len(x)):
        for j in range(i):
            dx, dy = np.sign(x[i] - x[j]), np.sign(y[i] - y[j])
            agree += dx * dy
            x_differs += dx != 0
            y_differs += dy != 0
    return agree / math.sqrt(x_differs * y_differs) if x_differs and y_differs else NAN


@given(vectors)
def test_srcc_equals_pearson_of_counted_ranks(pair):
    x, y = pair
    expected = slow_pearson([slow_rank(x, v) for v in x], [slow_rank(y, v) for v in y])
    assert metrics.srcc(x, y) == pytest.approx(expected, abs=1e-12, nan_ok=True)


@given(vectors)
def test_plcc_equals_the_textbook_sums(pair):
    assert metrics.plcc(*pair) == pytest.approx(slow_pearson(*pair), abs=1e-12, nan_ok=True)


@given(vectors)
def test_krcc_equals_tau_b_over_all_pairs(pair):
    assert metrics.krcc(*pair) == pytest.approx(slow_kendall(*pair), abs=1e-12, nan_ok=True)


def test_srcc_with_ties_by_hand():
    # Ranks 1, 2.5, 2.5, 4 against 1, 2, 3, 4: 4.5 / sqrt(4.5 * 5).
    assert metrics.srcc([1, 2, 2, 3], [10, 20, 30, 40]) == pytest.approx(math.sqrt(0.9))


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=60))
def test_identical_arrays_correlate_exactly(x):
    assume(len(set(x)) > 1)
    assert metrics.srcc(x, x) == 1.0
    assert metrics.plcc(x, x) == 1.0
    assert metrics.krcc(x, x) == 1.0
    assert metrics.srcc(x, -np.array(x)) == -1.0


@given(vectors)
def test_srcc_ignores_increasing_maps_and_flips_with_decreasing_ones(pair):
    x, y = (np.array(v) for v in pair)
    once = metrics.srcc(x, y)
    assume(not math.isnan(once))
    assert metrics.srcc(np.exp(x / 10), y**3 + y) == once
    assert metrics.srcc(-x, y) == -once
    assert metrics.srcc(y, x) == once


@given(vectors, st.randoms(use_true_random=False))
def test_srcc_is_bitwise_the_same_in_any_order_of_images(pair, random):
    order = list(range(len(pair[0])))
    random.shuffle(order)
    x, y = (np.array(v) for v in pair)
    assert metrics.srcc(x[order], y[order]) == pytest.approx(metrics.srcc(x, y), abs=0, nan_ok=True)


@pytest.mark.parametrize("measure", ["srcc", "plcc", "plcc_logistic", "krcc"])
class TestEveryCorrelation:
    def test_is_nan_for_constant_input(self, measure):
        function = getattr(metrics, measure)
        assert math.isnan(function([0.3] * 5, [1, 2, 3, 4, 5]))
        assert math.isnan(function([1, 2, 3, 4, 5], [0.3] * 5))
        assert math.isnan(function([], []))

    @pytest.mark.parametrize("bad", [NAN, math.inf])
    def test_refuses_values_that_are_not_finite(self, measure, bad):
        with pytest.raises(
            ValueError, match="prediction holds a value that is not a finite number"
        ):
            getattr(metrics, measure)([1, 2, bad, 4], [1, 2, 3, 4])
        with pytest.raises(ValueError, match="mos holds"):
            getattr(metrics, measure)([1, 2, 3, 4], [1, 2, bad, 4])

    def test_refuses_unequal_lengths(self, measure):
        with pytest.raises(ValueError, match=r"\(3,\) and mos \(2,\)"):
            getattr(metrics, measure)([1, 2, 3], [1, 2])


def test_logistic_fit_straightens_a_noiseless_logistic():
    x = np.linspace(-1, 1, 40)
    mos = 20 + 60 / (1 + np.exp(-(x - 0.2) / 0.15))
    assert metrics.plcc(x, mos) < 0.97
    assert metrics.plcc_logistic(x, mos) == pytest.approx(1, abs=1e-6)


def test_logistic_fit_does_not_depend_on_the_units_of_scores_or_labels():
    random = np.random.default_rng(0)
    x = random.normal(size=80)
    mos = np.tanh(x) + 0.2 * random.normal(size=80)
    once = metrics.plcc_logistic(x, mos)
    assert metrics.plcc_logistic(1e-4 * x + 7, 100 * mos) == pytest.approx(once, abs=1e-6)
    assert once > metrics.plcc(x, mos)


def test_logistic_fit_follows_a_falling_relation():
    x = np.linspace(-1, 1, 30)
    assert metrics.plcc_logistic(-x, np.tanh(3 * x)) == pytest.approx(1, abs=1e-6)


def test_logistic_fit_that_fails_or_has_too_few_images_gives_nan(monkeypatch):
    def no_convergence(*args, **kwargs):
        raise RuntimeError("Optimal parameters not found")

    assert math.isnan(metrics.plcc_logistic([1, 2, 3], [1, 2, 3]))
    monkeypatch.setattr(metrics, "curve_fit", no_convergence)
    assert math.isnan(metrics.plcc_logistic([1, 2, 3, 5], [1, 3, 2, 4]))


def test_plasticity_is_the_diagonal():
    np.testing.assert_array_equal(metrics.plasticity(S), [0.8, 0.7, 0.9])
    assert metrics.mean_plasticity(S) == pytest.approx(2.4 / 3)


def test_stability_averages_the_agreement_with_earlier_predictions():
    np.testing.assert_allclose(metrics.stability(AGREEMENT), [1, 0.9, 0.7])
    assert metrics.mean_stability(AGREEMENT) == pytest.approx(2.6 / 3)


def test_stability_is_exactly_one_where_predictions_never_change():
    assert metrics.mean_stability(np.tril(np.ones((7, 7)))) == 1.0


def test_plasticity_stability_is_the_mean_of_both():
    assert metrics.mean_plasticity_stability(S, AGREEMENT) == pytest.approx((0.8 + 2.6 / 3) / 2)


def test_mean_srcc_averages_rows_first():
    assert metrics.mean_srcc(S) == pytest.approx((0.8 + 0.65 + 0.6) / 3)


def test_mpsr_by_hand():
    # (S + 1) / 2: 0.9 | 0.8 0.85 | 0.7 0.75 0.95
    second = 0.85 * (0.8 / 0.9)
    third = 0.95 * (0.7 / 0.9 + 0.75 / 0.85) / 2
    assert metrics.mpsr(S) == pytest.approx((0.9 + second + third) / 3)


def test_mpsr_survives_a_perfectly_reversed_task():
    assert math.isfinite(metrics.mpsr(np.array([[-1.0, NAN], [-1.0, 0.5]])))


@given(st.integers(1, 6), st.randoms(use_true_random=False))
def test_matrix_measures_never_read_above_the_diagonal(tasks, random):
    lower = np.array([[random.uniform(-1, 1) for _ in range(tasks)] for _ in range(tasks)])
    hidden = np.where(np.tri(tasks, dtype=bool), lower, NAN)
    for measure in SUMMARIES:
        assert measure(hidden) == measure(lower)
        assert math.isfinite(measure(hidden))


def test_only_a_last_row_gives_nan_in_every_summary():
    joint = np.full((3, 3), NAN)
    joint[2] = [0.5, 0.6, 0.7]
    for measure in SUMMARIES:
        assert math.isnan(measure(joint))


def test_the_diagonal_of_the_agreement_is_not_needed():
    agreement = AGREEMENT.copy()
    np.fill_diagonal(agreement, NAN)
    assert metrics.mean_stability(agreement) == metrics.mean_stability(AGREEMENT)


@pytest.mark.parametrize("matrix", [np.zeros((2, 3)), np.zeros(3), np.zeros((0, 0))])
def test_a_matrix_that_is_not_square_is_refused(matrix):
    with pytest.raises(ValueError, match="square matrix"):
        metrics.mean_srcc(matrix)


@given(vectors, st.integers(0, 2**32 - 1))
def test_bootstrap_srcc_is_exactly_that_of_the_images_repeated_as_often(pair, seed):
    prediction, mos = (np.array(values) for values in pair)
    counts = np.random.default_rng(seed).integers(0, 4, (7, len(mos)))
    expected = [metrics.srcc(prediction.repeat(row), mos.repeat(row)) for row in counts]
    np.testing.assert_array_equal(metrics.bootstrap_srcc(prediction, mos, counts), expected)


def test_any_number_of_draws_has_a_value_each():
    random = np.random.default_rng(1)
    prediction, mos = random.normal(size=(2, 20))
    counts = random.integers(0, 3, (230, 20))
    drawn = metrics.bootstrap_srcc(prediction, mos, counts)
    assert drawn.shape == (230,)
    assert drawn[-1] == metrics.srcc(prediction.repeat(counts[-1]), mos.repeat(counts[-1]))


def test_a_constant_resample_is_nan():
    draws = metrics.bootstrap_srcc([1, 2, 3], [1, 2, 3], np.array([[3, 0, 0], [1, 1, 1]]))
    assert math.isnan(draws[0])
    assert draws[1] == 1.0


def test_an_interval_takes_percentiles():
    assert metrics.interval(np.arange(201)) == (pytest.approx(5), pytest.approx(195))


def test_an_interval_leaves_out_undefined_draws():
    assert metrics.interval([0.25, NAN, 0.25]) == (0.25, 0.25)
    assert np.isnan(metrics.interval([NAN])).all()


RISING = np.array(
    [
        [0.8, np.nan, np.nan],
        [0.9, 0.7, np.nan],
        [0.5, 0.75, 0.6],
    ]
)
"""An S of three tasks: the first gets better once and is then forgotten, the second gets better."""


def test_backward_transfer_is_what_later_tasks_add_to_earlier_ones():
    assert metrics.backward_transfer(RISING) == pytest.approx(((0.5 - 0.8) + (0.75 - 0.7)) / 2)


def test_forgetting_counts_from_the_best_state_before_the_last():
    assert metrics.forgetting(RISING) == pytest.approx(((0.9 - 0.5) + (0.7 - 0.75)) / 2)


@pytest.mark.parametrize("measure", [metrics.backward_transfer, metrics.forgetting])
def test_without_an_earlier_task_or_its_state_nothing_is_forgotten_or_transferred(measure):
    assert np.isnan(measure(np.array([[0.8]])))
    joint = np.full((3, 3), np.nan)
    joint[-1] = 0.5
    assert np.isnan(measure(joint))
    kept = np.tril(np.full((3, 3), 0.5))
    assert measure(kept) == 0

"""All orders from one run equal what each gives when it is run; and the bound of skipping."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsniqa.errors import ConfigError
from tsniqa.model.gating import softmin_weights
from tsniqa.model.readouts import mix
from tsniqa.study import evaluation as tables
from tsniqa.study import orders
from tsniqa.study.orders import skip_heads


@pytest.fixture(scope="module")
def record(finished):
    return finished()


@pytest.mark.parametrize("readout", ["gated", "latest"])
def test_another_orders_measures_are_those_of_a_run_in_that_order(record, finished, readout):
    other = finished("tsn", ("gamma", "alpha", "beta"))
    table = orders.all_orders(record, readout)
    assert len(table) == 6
    row = table.loc[table["order"] == ("gamma", "alpha", "beta")].iloc[0]
    measured = tables.summary(other, readout)
    for name in orders.MEASURES:
        assert row[name] == measured[name]


def test_heads_and_gates_are_bitwise_equal_for_two_orders(record, finished):
    other = finished("tsn", ("gamma", "alpha", "beta"))
    assert record.test_images == other.test_images
    assert np.array_equal(record.distances, other.distances)
    for task in record.names:
        assert np.array_equal(record.head(task), other.head(task))


def test_what_the_oracle_and_the_final_model_reach_is_the_same_in_every_order(record):
    assert np.ptp(orders.all_orders(record, "oracle")["mPI"]) < 1e-9
    assert np.ptp(orders.all_orders(record)["mean SRCC"]) < 1e-9


def test_a_shared_head_has_no_other_orders(finished):
    with pytest.raises(ConfigError, match="other orders do not follow from a run of 'sequential'"):
        orders.all_orders(finished("sequential"))


def test_as_many_agreements_are_computed_as_the_method_chapter_counts(record):
    record.cache.clear()
    orders.all_orders(record)
    # Cached by (readout, task, set when it was learned, last task, set now).
    made = {(key[2], key[3], key[5]) for key in record.cache if key[0] == "agreement"}
    assert len(made) == 3 * 3**2


def test_without_tolerance_the_score_is_the_gated_one(finished):
    record = finished()
    skipped, change = orders.skipped_in(record, 0.0)
    gated = tables.predictions(record, "gated", record.order)
    expected = np.concatenate([gated[task] for task in record.names])
    np.testing.assert_allclose(skipped.scores, expected, atol=1e-12)
    assert change.max() < 1e-12


def test_skipping_evaluates_fewer_heads_and_stays_below_the_bound(finished):
    found = {delta: orders.skipped_in(finished(), delta) for delta in (0.0, 0.1, 0.5)}
    heads = [skipped.evaluated.mean() for skipped, _ in found.values()]
    assert heads == sorted(heads, reverse=True)
    assert all(change.max() <= 2 * delta + 1e-12 for delta, (_, change) in found.items())


def test_a_strategy_without_a_gate_has_nothing_to_skip(finished):
    with pytest.raises(ConfigError, match="has no gate"):
        orders.skipped_in(finished("sequential"), 0.1)


@given(
    seed=st.integers(0, 2**32 - 1),
    tasks=st.integers(1, 7),
    tolerance=st.floats(0, 0.99),
    hardness=st.floats(0, 60),
)
def test_skipping_never_changes_a_score_by_more_than_its_bound(seed, tasks, tolerance, hardness):
    random = np.random.default_rng(seed)
    heads = random.uniform(-1, 1, (5, tasks))
    weights = softmin_weights(random.uniform(0, 1, (5, tasks, 2)), hardness)
    found = skip_heads(heads, weights, tolerance)
    change = np.abs(found.scores - mix(heads, weights))
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

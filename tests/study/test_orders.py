"""All orders from one run equal what each order gives when it is run."""

import numpy as np
import pytest

from tsniqa.errors import ConfigError
from tsniqa.study import evaluation as tables
from tsniqa.study import orders


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

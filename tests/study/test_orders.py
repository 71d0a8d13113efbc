"""All orders from one run equal what each order gives when it is run."""

from itertools import permutations

import numpy as np
import pandas as pd
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
    same = orders.bitwise_equal(record, finished("tsn", ("gamma", "alpha", "beta")))
    assert list(same.index) == ["alpha", "beta", "gamma"]
    assert same.to_numpy().all()


def test_a_difference_in_one_bit_is_found(record, finished):
    other = finished("tsn", ("gamma", "alpha", "beta"))
    other.distances[0, 1, 0] = np.nextafter(other.distances[0, 1, 0], np.float32(9))
    assert orders.bitwise_equal(record, other)["gate"].tolist() == [True, False, True]


def test_what_the_oracle_and_the_final_model_reach_is_the_same_in_every_order(record):
    assert np.ptp(orders.all_orders(record, "oracle")["mPI"]) < orders.ROUNDING
    assert np.ptp(orders.all_orders(record)["mean SRCC"]) < orders.ROUNDING


def test_a_shared_head_has_no_other_orders(finished):
    with pytest.raises(ConfigError, match="other orders do not follow from a run of 'sequential'"):
        orders.all_orders(finished("sequential"))


def test_counts_for_six_tasks_are_those_of_the_method_chapter():
    assert orders.counts(6) == {
        "orders": 720, "states": 63, "correlations": 192, "agreements": 1458
    }  # fmt: skip


def test_the_tables_compute_as_many_agreements_as_counted(record):
    record.cache.clear()
    orders.all_orders(record)
    # Cached by (readout, task, set when it was learned, last task, set now).
    made = {(key[2], key[3], key[5]) for key in record.cache if key[0] == "agreement"}
    assert len(made) == orders.counts(3)["agreements"]


def made_up():
    table = pd.DataFrame({"order": list(permutations("ab"))})
    return table.assign(**{name: [0.25, 0.75] for name in orders.MEASURES})


def test_spread_ranks_this_order_among_all():
    row = orders.spread(made_up(), ["b", "a"]).loc["mPI"]
    assert row.to_dict() == {
        "this order": 0.75, "rank": 50.0, "reversed": 0.25, "mean": 0.5, "std": 0.25,
        "lowest": 0.25, "highest": 0.75,
    }  # fmt: skip


def test_spread_of_a_measure_that_does_not_exist_is_nan():
    table = made_up().assign(mPI=np.nan)
    assert orders.spread(table, ["a", "b"]).loc["mPI"].drop("rank").isna().all()


def test_by_position_averages_over_the_orders_with_a_task_there():
    expected = pd.DataFrame([[0.25, 0.75], [0.75, 0.25]], index=["a", "b"], columns=[1, 2])
    pd.testing.assert_frame_equal(
        orders.by_position(made_up(), "mPI"), expected, check_column_type=False
    )


def test_without_tolerance_the_score_is_the_gated_one(finished):
    record = finished()
    skipped, change = orders.skipped_in(record, 0.0)
    gated = tables.predictions(record, "gated", record.order)
    expected = np.concatenate([gated[task] for task in record.names])
    np.testing.assert_allclose(skipped.scores, expected, atol=1e-12)
    assert change.max() < 1e-12


def test_the_table_says_what_is_saved_and_stays_below_the_bound(finished):
    table = orders.skipping_table(finished(), (0.0, 0.1, 0.5))
    assert table["heads"].is_monotonic_decreasing
    assert (table["largest change"] <= table["bound"] + 1e-12).all()
    assert table.loc[0.0, "agreement"] == 1


def test_a_strategy_without_a_gate_has_nothing_to_skip(finished):
    with pytest.raises(ConfigError, match="has no gate"):
        orders.skipped_in(finished("sequential"), 0.1)

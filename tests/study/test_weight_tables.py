"""What a weight search says: the grid, the choice, and whether the preset has it."""

import numpy as np
import pytest

from tsniqa.study import weight_tables
from tsniqa.study.weight_search import WeightPlan, WeightRecord, WeightTrial
from tsniqa.study.weight_tables import at_the_edge, choice_table, chosen_weights, weight_table


def trial(strategy, factor, weight, value, use="gated"):
    srcc = {use: {"a": value - 0.1, "b": value + 0.1}, "oracle": {"a": 0.9, "b": 0.9}}
    return WeightTrial(strategy=strategy, factor=factor, weight=weight, srcc=srcc, seconds=1)


def record(*trials, strategies=("lwf", "icarl-v2")):
    plan = WeightPlan(preset="smoke", strategies=strategies, factors=(0.1, 1, 10))
    return WeightRecord(plan=plan, conditions="", trials=list(trials))


WHOLE = [trial("lwf", 0.1, 1, 0.5), trial("lwf", 1, 10, 0.4), trial("lwf", 10, 100, 0.3)]


def test_the_grid_holds_means_over_tasks_of_every_strategys_main_use():
    table = weight_table(record(*WHOLE, trial("icarl-v2", 1, 10, 0.7, use="half")))
    assert table.loc["lwf"].tolist() == pytest.approx([0.5, 0.4, 0.3])
    assert table.loc["icarl-v2", 1] == pytest.approx(0.7)
    assert np.isnan(table.loc["icarl-v2", 10])
    assert weight_table(record(*WHOLE), "oracle").loc["lwf", 1] == pytest.approx(0.9)


def test_the_best_weight_is_chosen_and_an_unfinished_grid_has_none():
    found = record(*WHOLE, trial("icarl-v2", 1, 10, 0.7, use="half"))
    assert chosen_weights(found) == {"lwf": 1}
    assert at_the_edge(found) == ["lwf"]


def test_of_equals_the_one_nearest_to_the_published_weight_is_chosen():
    equal = [trial("lwf", factor, 10 * factor, 0.5) for factor in (0.1, 1, 10)]
    assert chosen_weights(record(*equal)) == {"lwf": 10}
    assert at_the_edge(record(*equal)) == []


@pytest.mark.parametrize(("weights", "answer"), [({"lwf": 1.0}, "yes"), ({}, "no")])
def test_it_is_told_whether_the_preset_has_the_choice(weights, answer, monkeypatch):
    class Preset:
        pass

    Preset.weights = weights
    monkeypatch.setattr(weight_tables, "load_preset", lambda name: Preset)
    (row,) = choice_table(record(*WHOLE)).to_dict("records")
    assert row["published weight"] == 10
    assert row["chosen weight"] == 1
    assert row["gain"] == pytest.approx(0.1)
    assert row["the preset has it"] == answer


def test_a_weight_with_constant_predictions_is_not_chosen_and_does_not_hide_the_others():
    trials = [trial("lwf", 0.1, 1, np.nan), *WHOLE[1:]]
    assert chosen_weights(record(*trials)) == {"lwf": 10}

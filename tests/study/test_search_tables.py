"""What a search says: numbers, their noise, and the choice."""

import numpy as np
import pytest

from tsniqa.errors import ConfigError
from tsniqa.study.search import Candidate, SearchPlan, SearchRecord, Trial
from tsniqa.study.search_tables import (
    adopted,
    candidate_table,
    choice_note,
    chosen,
    search_table,
    standard_error,
)

CANDIDATES = (
    Candidate(name="alone", strategy="head-only"),
    Candidate(name="as it is"),
    Candidate(name="faster", overrides={"schedule.normalization.learning_rate": 0.5}),
    Candidate(name="other card", backbone="resnet18"),
)
COUNTS = {"a": 5, "b": 17}


def trial(candidate, task, best):
    return Trial(
        candidate=candidate, task=task, head_only=best - 0.1, best=best, curve=[best], seconds=90
    )


@pytest.fixture
def record():
    plan = SearchPlan(preset="smoke", tasks=("a", "b"), candidates=CANDIDATES)
    values = {"faster": (0.6, 0.8), "alone": (0.8, 0.9), "as it is": (0.7, 0.7)}
    trials = [
        trial(name, task, value)
        for name, pair in values.items()
        for task, value in zip("ab", pair, strict=True)
    ]
    return SearchRecord(plan=plan, trials=[*trials, trial("other card", "a", 0.99)])


def test_the_standard_error_is_that_of_the_formula():
    assert standard_error(0.6, 17) == pytest.approx(0.64 / 4)
    assert standard_error(1.0, 10) == 0


def test_trials_are_listed_in_the_order_of_the_plan(record):
    table = search_table(record, COUNTS)
    assert table["candidate"].drop_duplicates().tolist() == [one.name for one in CANDIDATES]
    first = table.iloc[0]
    assert (first["task"], first["validation SRCC"], first["minutes"]) == ("a", 0.8, 1.5)
    assert first["standard error"] == pytest.approx(0.36 / 2)
    assert first["head alone"] == pytest.approx(0.7)


def test_candidates_are_laid_out_with_mean_and_what_they_change(record):
    table = candidate_table(record)
    assert table.loc["alone", "mean"] == pytest.approx(0.85)
    assert np.isnan(table.loc["other card", "mean"]), "it was tried on one task alone"
    assert table["differs by"].tolist() == [
        "strategy head-only",
        "nothing",
        "schedule.normalization.learning_rate = 0.5",
        "card resnet18",
    ]


def test_the_highest_mean_is_chosen_among_finished_candidates(record):
    assert chosen(record) == "alone"
    assert chosen(record, ("tsn",)) == "as it is"
    assert chosen(record, ("separate",)) is None
    assert chosen(SearchRecord(plan=record.plan)) is None


def test_a_choice_is_adopted_if_the_preset_has_its_values(record):
    assert adopted(record, "as it is")
    assert not adopted(record, "faster")
    assert not adopted(record, "other card")
    with pytest.raises(ConfigError, match="unknown candidate 'fastest'"):
        adopted(record, "fastest")


def test_the_note_names_the_best_of_each_strategy_and_whether_it_was_taken(record):
    lines = choice_note(record).splitlines()
    assert lines[0].startswith("- `head-only`: *alone*, mean validation SRCC 0.850; the preset has")
    assert lines[1].startswith("- `tsn`: *as it is*, mean validation SRCC 0.700; the preset has")
    changed = record.model_copy(
        update={"trials": [t for t in record.trials if t.candidate == "faster"]}
    )
    assert "no candidate has been tried" in choice_note(changed).splitlines()[0]
    assert "does **not** have its values" in choice_note(changed).splitlines()[1]

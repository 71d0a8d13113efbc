"""Figures of searches."""

import pytest
from matplotlib import pyplot as plt

from tsniqa.book.figures import search as figures
from tsniqa.study.search import Candidate, SearchPlan, SearchRecord, Trial
from tsniqa.study.weight_search import WeightPlan, WeightRecord, WeightTrial


@pytest.fixture(autouse=True)
def nothing_is_left_open():
    yield
    assert plt.get_fignums() == [], "an open figure would be shown twice in a notebook"


def entries(figure):
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def test_an_unfinished_search_can_be_drawn():
    candidates = (Candidate(name="one"), Candidate(name="two"))
    plan = SearchPlan(preset="smoke", tasks=("a", "b"), candidates=candidates)
    trials = [
        Trial(candidate="one", task=task, head_only=0.5, best=0.6, curve=[], seconds=1)
        for task in "ab"
    ]
    figure = figures.search_dots(SearchRecord(plan=plan, trials=trials), {"a": 10, "b": 20})
    labels = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    assert labels == ["one"]
    assert "a (10 images)" in entries(figure)


def test_every_strategy_has_a_panel_and_only_a_finished_grid_has_a_choice():
    plan = WeightPlan(preset="smoke", strategies=("lwf", "unique"), factors=(1, 10))
    trials = [
        WeightTrial(
            strategy="lwf", factor=factor, weight=10 * factor, seconds=1,
            srcc={"gated": {"a": value}, "oracle": {"a": 0.9}},
        )
        for factor, value in ((1, 0.4), (10, 0.6))
    ]  # fmt: skip
    trials.append(
        WeightTrial(strategy="unique", factor=1, weight=1, seconds=1, srcc={"single": {"a": 0.5}})
    )
    figure = figures.weight_curves(WeightRecord(plan=plan, conditions="", trials=trials))
    lwf, unique = figure.axes
    assert (lwf.get_title(), unique.get_title()) == ("lwf (10)", "unique (1)")
    rings = [line.get_xydata().tolist() for line in lwf.lines if line.get_markersize() == 13]
    assert rings == [[[10, 0.6]]]
    assert all(line.get_markersize() != 13 for line in unique.lines)
    assert sorted(entries(figure)) == ["gated", "oracle", "single"]

"""Figures of sweeps."""

import pytest

from tsniqa.book.plots_sweeps import candidate_dots, weight_curves
from tsniqa.study.sweep import BOTH_STEPS, FIRST_STEP, Candidate, Sweep, SweepRecord, Trial


def entries(figure):
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def trial(candidate, srcc, tasks=("a", "b")):
    return Trial(candidate=candidate, tasks=tasks, run_id="", srcc=srcc, curve=[], seconds=1)


def test_the_tried_candidates_of_a_sweep_are_drawn_by_what_judges_them():
    candidates = (Candidate(name="one"), Candidate(name="two"))
    sweep = Sweep(preset="smoke", tasks=("a", "b"), each_task_alone=True, candidates=candidates)
    trials = [
        trial("one", {FIRST_STEP: {task: 0.5}, BOTH_STEPS: {task: value}}, (task,))
        for task, value in (("a", 0.6), ("b", 0.8))
    ]
    figure = candidate_dots(SweepRecord(sweep=sweep, trials=trials), {"a": 10, "b": 20})
    axes = figure.axes[0]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["one"]
    assert sorted(line.get_xdata()[0] for line in axes.lines) == pytest.approx([0.6, 0.7, 0.8])
    assert {"a (10 images)", "b (20 images)", "mean"} == set(entries(figure))


def test_every_strategy_has_a_panel_and_only_a_finished_grid_has_a_choice():
    sweep = Sweep(preset="smoke", tasks=("a",), strategies=("lwf", "unique"), factors=(1, 10))
    trials = [
        trial("lwf, weight 10", {"gated": {"a": 0.4}, "oracle": {"a": 0.9}}, ("a",)),
        trial("lwf, weight 100", {"gated": {"a": 0.6}, "oracle": {"a": 0.9}}, ("a",)),
        trial("unique, weight 1", {"single": {"a": 0.5}}, ("a",)),
    ]
    figure = weight_curves(SweepRecord(sweep=sweep, trials=trials))
    lwf, unique = figure.axes
    assert (lwf.get_title(), unique.get_title()) == ("lwf (10)", "unique (1)")
    rings = [line.get_xydata().tolist() for line in lwf.lines if line.get_markersize() == 13]
    assert rings == [[[10, 0.6]]]
    assert all(line.get_markersize() != 13 for line in unique.lines)
    assert sorted(entries(figure)) == ["gated", "oracle", "single"]

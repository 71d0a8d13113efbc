"""Sweeps: validation images alone, no trial twice, and the choice that follows."""

import numpy as np
import pytest

from tsniqa.data.images import ImageSet
from tsniqa.errors import ConfigError, RecordError
from tsniqa.metrics import srcc
from tsniqa.model.gating import softmin_weights
from tsniqa.model.readouts import mix
from tsniqa.paths import project_root
from tsniqa.strategies import STRATEGIES
from tsniqa.study import sweep as module
from tsniqa.study.sweep import (
    BOTH_STEPS,
    FIRST_STEP,
    Candidate,
    Sweep,
    SweepRecord,
    Trial,
    choice_table,
    load_sweep,
    load_sweep_record,
    run_sweep,
    trial_results,
    validation_srcc,
)

SHIPPED = [project_root() / "data" / "searches" / f"{n}.yml" for n in ("mini", "open")]
WEIGHTS = project_root() / "data" / "searches" / "mini-weights.yml"


@pytest.fixture
def candidate(world):
    def make(name, strategy="tsn", factor=None, **overrides):
        changed = world.overrides | overrides
        fields = {"strategy": strategy, "overrides": changed, "factor": factor}
        return Candidate(name=name, backbone=str(world.card), **fields)

    return make


@pytest.fixture
def alone(candidate):
    candidates = (candidate("head", "head-only"), candidate("affine"))
    fields = {"preset": "smoke", "tasks": ("alpha", "beta"), "seed": 5}
    return Sweep(each_task_alone=True, candidates=candidates, **fields)


@pytest.fixture
def in_order(candidate):
    candidates = tuple(
        candidate(f"lwf {w}", "lwf", w / 10, weights={"lwf": w}) for w in (10.0, 100.0)
    )
    return Sweep(
        preset="smoke",
        tasks=("alpha", "beta"),
        candidates=(*candidates, candidate("one head", "unique")),
    )


def run(sweep, world, tmp_path):
    path = tmp_path / "results" / "sweep.json"
    return run_sweep(sweep, world.data_root, path, tmp_path / "features"), path


def test_every_candidate_is_tried_on_every_task_alone(alone, world, tmp_path):
    record, path = run(alone, world, tmp_path)
    assert [(trial.candidate, trial.tasks) for trial in record.trials] == [
        (name, (task,)) for name in ("head", "affine") for task in ("alpha", "beta")
    ]
    assert load_sweep_record(path) == record
    single = world.plan("tsn", ("beta",), seed=5)
    history = single.strategy.learn(single.tasks[0], []).history
    trial = record.trials[3]
    assert trial.curve == [e.validation_srcc for e in history if e.step == "images"]
    first = max(e.validation_srcc for e in history if e.step == "head")
    assert trial.srcc == {
        FIRST_STEP: {"beta": first},
        BOTH_STEPS: {"beta": max(first, *trial.curve)},
    }
    assert record.trials[0].curve == []


def test_every_candidate_learns_the_whole_order(in_order, world, tmp_path):
    record, path = run(in_order, world, tmp_path)
    assert load_sweep_record(path) == record
    assert [trial.tasks for trial in record.trials] == [("alpha", "beta")] * 3
    assert [list(trial.srcc) for trial in record.trials[1:]] == [
        ["calibrated", "gated", "latest", "oracle"],
        ["single"],
    ]
    assert all(list(own) == ["alpha", "beta"] for t in record.trials for own in t.srcc.values())
    assert record.trials[0].srcc != record.trials[1].srcc


@pytest.mark.parametrize("kind", ["alone", "in_order"])
def test_no_test_image_is_opened(kind, world, tmp_path, monkeypatch, request):
    opened = set()
    original = ImageSet.__getitem__

    def spy(self, index):
        opened.add(self.paths[index])
        return original(self, index)

    monkeypatch.setattr(ImageSet, "__getitem__", spy)
    run(request.getfixturevalue(kind), world, tmp_path)
    assert opened
    for name in ("alpha", "beta"):
        assert not opened & set(world.task(name).paths("test"))


@pytest.fixture
def tried(monkeypatch):
    """Names of the candidates that were tried; the third trial fails once."""
    original, names = module._try, []

    def counting(sweep, candidate, *arguments):
        names.append(candidate.name)
        if len(names) == 3:
            raise KeyboardInterrupt
        return original(sweep, candidate, *arguments)

    monkeypatch.setattr(module, "_try", counting)
    return names


def test_a_sweep_cut_off_goes_on_where_it_was(alone, world, tmp_path, tried):
    with pytest.raises(KeyboardInterrupt):
        run(alone, world, tmp_path)
    assert len(load_sweep_record(tmp_path / "results" / "sweep.json").trials) == 2
    first, _ = run(alone, world, tmp_path)
    assert tried == ["head", "head", "affine", "affine", "affine"]
    assert run(alone, world, tmp_path)[0] == first
    assert len(tried) == 5


def test_what_has_changed_is_tried_again_whatever_its_name(alone, candidate, world, tmp_path):
    first, _ = run(alone, world, tmp_path)
    head, affine = alone.candidates
    slower = candidate("affine", **{"schedule.normalization.epochs": 1})
    renamed = affine.model_copy(update={"name": "as before"})
    changed = alone.model_copy(update={"candidates": (head, slower, renamed)})
    second, _ = run(changed, world, tmp_path)
    assert [len(trial.curve) for trial in second.trials] == [0, 0, 2, 2, 3, 3]
    assert second.trials[:2] == first.trials[:2]
    assert [trial.curve for trial in second.trials[4:]] == [t.curve for t in first.trials[2:]]


def test_learning_that_diverged_is_recorded_as_nan(world):
    plan = world.plan("tsn", ("alpha",))
    plan.strategy.learn(plan.tasks[0], [])
    reading = plan.strategy.model.read(plan.context.images(plan.tasks[0], "val").images)
    nothing = reading._replace(heads=np.full((10, 1), np.nan, np.float32))
    plan.strategy.model.read = lambda images: nothing
    found = validation_srcc(plan.strategy, plan.context, plan.resolved)
    assert np.isnan(found["oracle"]["alpha"])


def test_the_validation_scores_are_those_of_the_final_model(world):
    plan = world.plan("icarl-v2", ("alpha", "beta"))
    for step, task in enumerate(plan.tasks):
        plan.strategy.learn(task, plan.tasks[:step])
    found = validation_srcc(plan.strategy, plan.context, plan.resolved)
    assert list(found) == ["half", "gated", "calibrated", "latest", "oracle"]
    images, mos, _ = plan.context.images(plan.tasks[0], "val")
    heads, distances, _ = plan.strategy.model.read(images)
    gated = mix(heads, softmin_weights(distances))
    expected = {
        "oracle": heads[:, 0],
        "latest": heads[:, 1],
        "gated": gated,
        "calibrated": plan.strategy.model.predict(images, "calibrated"),
        "half": (gated + heads[:, 1]) / 2,
    }
    for readout, scores in expected.items():
        assert found[readout]["alpha"] == pytest.approx(srcc(scores, mos.numpy())), readout


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_sweeps_of_schedules_are_small(path):
    sweep = load_sweep(path)
    assert sweep.each_task_alone
    assert 0 < len(sweep.all_candidates()) <= 12


def test_the_shipped_sweep_of_weights_covers_every_strategy_that_has_one():
    sweep = load_sweep(WEIGHTS)
    weighted = {name for name, own in STRATEGIES.items() if own.default_weight is not None}
    assert set(sweep.strategies) == weighted
    assert 1 in sweep.factors, "the published weight is among those tried"
    first = sweep.all_candidates()[0]
    assert (first.name, first.overrides) == ("lwf, weight 0.1", {"weights": {"lwf": 0.1}})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "no sweep file at"),
        ("", "is not a valid sweep file"),
        ("- list", "is not a valid sweep file"),
        ("preset: [", "is not a valid sweep file"),
        ("preset: mini\ncandidates: 3", "is not a valid sweep file: candidates"),
        ("preset: mini", "name at least one candidate"),
        ("preset: mini\ncandidates: [{name: a}, {name: a}]", "each by a name of its own"),
        ("preset: mini\ncandidates: [{name: a, strategy: tsm}]", "did you mean 'tsn'"),
        ("preset: mini\nstrategies: [tsn]\nfactors: [1]", "'tsn' has no main weight"),
        ("preset: mini\nstrategies: [lfw]\nfactors: [1]", "did you mean 'lwf'"),
        ("preset: mini\nstrategies: [lwf]\nfactors: [0]", "is not a valid sweep file: factors"),
        ("preset: mini\nstrategies: [lwf, lwf]\nfactors: [1]", "each by a name of its own"),
        ("preset: minni\nstrategies: [lwf]\nfactors: [1]", "did you mean 'mini'"),
    ],
)
def test_a_mistake_in_the_file_is_one_line(text, message, tmp_path):
    path = tmp_path / "sweep.yml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        load_sweep(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [None, "{ half"])
def test_what_is_no_sweep_record_is_one_line(tmp_path, content):
    if content is not None:
        (tmp_path / "own.json").write_text(content)
    with pytest.raises(RecordError, match="no readable sweep record at"):
        load_sweep_record(tmp_path / "own.json")


def record_of(values, candidates=(), strategies=()):
    """A record of tasks learned alone: the best SRCC of every candidate on tasks a and b."""
    fields = {"candidates": candidates, "strategies": strategies, "factors": (0.1, 1, 10)}
    sweep = Sweep(preset="smoke", tasks=("a", "b"), each_task_alone=True, **fields)
    trials = [
        Trial(
            candidate=name,
            tasks=(task,),
            run_id=f"{name} {task}",
            srcc={FIRST_STEP: {task: value - 0.1}, BOTH_STEPS: {task: value}},
            curve=[],
            seconds=90,
        )
        for name, both in values.items()
        for task, value in zip("ab", both, strict=True)
    ]
    return SweepRecord(sweep=sweep, trials=trials)


THREE = (
    Candidate(name="alone", strategy="head-only"),
    Candidate(name="as it is"),
    Candidate(name="faster", overrides={"schedule.normalization.learning_rate": 0.5}),
)
REACHED = {"faster": (0.6, 0.8), "alone": (0.8, 0.9), "as it is": (0.7, 0.7)}


def test_trials_are_listed_in_the_order_of_the_sweep():
    table = trial_results(record_of(REACHED, THREE))
    assert table["candidate"].drop_duplicates().tolist() == [one.name for one in THREE]
    first = table[table["judged"]].iloc[0]
    assert (first["readout"], first["task"], first["srcc"]) == (BOTH_STEPS, "a", 0.8)
    assert first["seconds"] == 90
    lwf = trial_results(record_of({"lwf, weight 1": (0.5, 0.5)}, strategies=("lwf",)))
    assert lwf.loc[lwf["judged"], ["factor", "weight"]].iloc[0].tolist() == [0.1, 1]


def test_the_highest_mean_is_chosen_for_every_strategy():
    table = choice_table(record_of(REACHED, THREE))
    assert table["candidate"].to_dict() == {"head-only": "alone", "tsn": "as it is"}
    assert table.loc["head-only", "mean"] == pytest.approx(0.85)
    assert not table["at the edge"].any()
    faster = choice_table(record_of(REACHED | {"faster": (0.9, 0.9)}, THREE))
    assert faster.loc["tsn", "candidate"] == "faster"
    assert choice_table(record_of({}, THREE)).empty


@pytest.mark.parametrize(
    ("values", "weight", "gain", "edge"),
    [
        ((0.5, 0.4, 0.3), 1, 0.1, True),
        ((0.5, 0.5, 0.5), 10, 0, False),  # of equals the one nearest to the published one
        ((np.nan, 0.4, 0.3), 10, 0, False),  # constant predictions
        ((0.5, 0.4), None, None, None),  # unfinished
    ],
)
def test_a_weight_is_chosen_with_its_gain(values, weight, gain, edge):
    tried = {f"lwf, weight {10**i}": (value - 0.1, value + 0.1) for i, value in enumerate(values)}
    chosen = choice_table(record_of(tried, strategies=("lwf",)))
    if weight is None:
        assert chosen.empty
    else:
        assert chosen.loc["lwf", ["weight", "at the edge"]].tolist() == [weight, edge]
        assert chosen.loc["lwf", "gain"] == pytest.approx(gain)

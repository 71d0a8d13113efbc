"""Sweeps: validation images alone, no trial twice, and the choice that follows."""

import numpy as np
import pytest

from tsniqa.data.images import ImageSet
from tsniqa.errors import ConfigError, RecordError
from tsniqa.metrics import srcc
from tsniqa.model.gating import softmin_weights
from tsniqa.model.readouts import mix
from tsniqa.paths import project_root
from tsniqa.study import sweep as module
from tsniqa.study.sweep import (
    BOTH_STEPS,
    FIRST_STEP,
    Candidate,
    Sweep,
    SweepRecord,
    Trial,
    load_sweep,
    load_sweep_record,
    run_sweep,
    validation_srcc,
)
from tsniqa.study.sweep_results import choice_table, setting, trial_results

SHIPPED = sorted((project_root() / "data" / "searches").glob("*.yml"))


@pytest.fixture
def candidate(world):
    def make(name, strategy="tsn", **overrides):
        changed = world.overrides | overrides
        return Candidate(name=name, strategy=strategy, backbone=str(world.card), overrides=changed)

    return make


@pytest.fixture
def alone(candidate):
    candidates = (candidate("head", "head-only"), candidate("affine"))
    fields = {"preset": "smoke", "tasks": ("alpha", "beta"), "seed": 5}
    return Sweep(each_task_alone=True, candidates=candidates, **fields)


@pytest.fixture
def in_order(candidate):
    candidates = tuple(candidate(f"lwf {w}", "lwf", weights={"lwf": w}) for w in (10.0, 100.0))
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
    ends = [[e.validation_srcc for e in history if e.step == s][-1] for s in ("head", "images")]
    expected = {FIRST_STEP: {"beta": ends[0]}, BOTH_STEPS: {"beta": ends[1]}}
    assert record.trials[3].srcc == expected, "the states after the last epoch of either step"
    (head,) = {tuple(own.values()) for own in record.trials[0].srcc.values()}
    assert np.isfinite(head), "head-only has the same after both"


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


def test_all_held_out_images_of_a_resplit_judge(alone, world, tmp_path):
    sweep = alone.model_copy(update={"tasks": ("beta",), "split": "3"})
    record, _ = run(sweep, world, tmp_path)
    own = world.plan("tsn", ("beta",), seed=5, split="3")
    (task,) = own.tasks
    own.strategy.learn(task, [])
    scores, opinions = [], []
    for part in ("val", "test"):
        images = own.strategy.context.images(task, part).images
        scores.append(own.strategy.model.read(images, gate=False).heads[:, 0])
        opinions.append(task.mos(part))
    held = module.judged_by_all(task)
    assert held.part("train").equals(task.part("train"))
    assert sorted(np.concatenate(opinions)) == sorted(held.mos("val"))
    assert not len(held.part("test"))
    value = record.trials[1].srcc[BOTH_STEPS]["beta"]
    assert value == pytest.approx(srcc(np.concatenate(scores), np.concatenate(opinions)))


@pytest.mark.parametrize("kind", ["alone", "in_order"])
def test_no_test_image_is_learned_from_or_scored(kind, world, tmp_path, monkeypatch, request):
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


def test_a_mistake_in_the_last_candidate_is_told_before_the_first_is_tried(
    alone, candidate, world, tmp_path, tried
):
    wrong = alone.model_copy(
        update={"candidates": (*alone.candidates, candidate("wrong", rates={"tsn": "fast"}))}
    )
    with pytest.raises(ConfigError, match=r"rates\.tsn"):
        run(wrong, world, tmp_path)
    assert not tried


def test_a_trial_of_other_code_is_named(alone, world, tmp_path, monkeypatch, caplog):
    run(alone, world, tmp_path)
    assert "other code" not in caplog.text
    monkeypatch.setattr(module, "code_digest", lambda: "other")
    run(alone, world, tmp_path)
    assert "head: tried by other code; a new record tries it again" in caplog.messages


def test_a_task_learned_alone_is_no_trial_of_a_stream_of_one(alone, world, tmp_path, tried):
    tried.extend(("begun", "twice", "before"))  # no trial is cut off here
    one = alone.model_copy(update={"tasks": ("alpha",)})
    run(one, world, tmp_path)
    record, _ = run(one.model_copy(update={"each_task_alone": False}), world, tmp_path)
    assert len(tried) == 7
    assert all(BOTH_STEPS not in trial.srcc for trial in record.trials)


def test_what_has_changed_is_tried_again_whatever_its_name(alone, candidate, world, tmp_path):
    first, _ = run(alone, world, tmp_path)
    head, affine = alone.candidates
    slower = candidate("affine", **{"schedule.normalization.epochs": 1})
    renamed = affine.model_copy(update={"name": "as before"})
    changed = alone.model_copy(update={"candidates": (head, slower, renamed)})
    second, _ = run(changed, world, tmp_path)
    assert second.trials[:2] == first.trials[:2]
    assert not {t.run_id for t in second.trials[2:4]} & {t.run_id for t in first.trials}
    assert [trial.srcc for trial in second.trials[4:]] == [t.srcc for t in first.trials[2:]]


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
    images, mos, *_ = plan.context.images(plan.tasks[0], "val")
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
def test_shipped_sweeps_give_every_strategy_as_many_candidates(path):
    sweep = load_sweep(path)
    tried = [(one.strategy, setting(one)) for one in sweep.candidates if setting(one)[0]]
    assert len(set(tried)) == len(tried), "no value is tried twice"
    counts = {(strategy, kind): 0 for strategy, (kind, _) in tried}
    for strategy, (kind, _) in tried:
        counts[strategy, kind] += 1
    assert len(set(counts.values())) == 1, "care is equal"
    assert min(counts.values()) >= 4


def test_a_candidate_that_changes_more_than_one_rate_or_weight_has_no_setting():
    for overrides in (
        {},
        {"rates": {"tsn": 0.1}, "head_feature": "multi"},
        {"rates": {"joint": 0.1}},
        {"rates": {"tsn": 0.1, "joint": 0.1}},
    ):
        kind, value = setting(Candidate(name="a", overrides=overrides))
        assert (kind, np.isnan(value)) == ("", True)
    for published in ({}, {"weights": {}}):
        tried = Candidate(name="a", overrides={"rates": {"tsn": 0.1}} | published)
        assert setting(tried) == ("rate", 0.1)


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
        ("preset: minni\ncandidates: [{name: a}]", "did you mean 'mini'"),
        ("preset: mini\nfactors: [1]", "is not a valid sweep file: factors"),
    ],
)
def test_a_mistake_in_the_file_is_one_line(text, message, tmp_path):
    path = tmp_path / "sweep.yml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        load_sweep(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [None, b"{ half", b"\xff\xfe"])
def test_what_is_no_sweep_record_is_one_line(tmp_path, content):
    if content is not None:
        (tmp_path / "own.json").write_bytes(content)
    with pytest.raises(RecordError, match="no readable sweep record at"):
        load_sweep_record(tmp_path / "own.json")


def rated(*rates, strategy="tsn"):
    """Candidates of one strategy, named after their rates."""
    changes = [{"rates": {strategy: rate}} for rate in rates]
    names = [f"{strategy} {rate:g}" for rate in rates]
    return tuple(
        Candidate(name=name, strategy=strategy, overrides=change)
        for name, change in zip(names, changes, strict=True)
    )


def record_of(values, candidates):
    """A record of tasks learned alone: the SRCC of every candidate on tasks a and b."""
    sweep = Sweep(preset="smoke", tasks=("a", "b"), each_task_alone=True, candidates=candidates)
    trials = [
        Trial(
            candidate=name,
            tasks=(task,),
            run_id=f"{name} {task}",
            srcc={FIRST_STEP: {task: value - 0.1}, BOTH_STEPS: {task: value}},
            seconds=90,
        )
        for name, both in values.items()
        for task, value in zip("ab", both, strict=True)
    ]
    return SweepRecord(sweep=sweep, trials=trials)


THREE = rated(0.1, 1, 10)


def test_trials_are_listed_in_the_order_of_the_sweep():
    other = Candidate(name="multi", strategy="ridge", overrides={"head_feature": "multi"})
    values = {"tsn 1": (0.6, 0.8), "multi": (0.3, 0.3), "tsn 0.1": (0.7, 0.9)}
    table = trial_results(record_of(values, (*THREE, other)))
    assert table["candidate"].drop_duplicates().tolist() == ["tsn 0.1", "tsn 1", "multi"]
    first = table[table["judged"]].iloc[0]
    assert (first["readout"], first["task"], first["srcc"]) == (BOTH_STEPS, "a", 0.7)
    assert (first["setting"], first["value"], first["seconds"]) == ("rate", 0.1, 90)


def test_every_strategy_has_a_choice_of_its_own_once_all_its_candidates_are_tried():
    candidates = (*THREE, *rated(1, 2, strategy="joint"), Candidate(name="other"))
    values = {"tsn 0.1": (0.6, 0.6), "tsn 1": (0.5, 0.9), "tsn 10": (0.1, 0.1)}
    values |= {"other": (0.9, 0.9), "joint 1": (0.5, 0.5)}
    table = choice_table(record_of(values, candidates))
    assert table.index.tolist() == [("tsn", "rate")]
    assert table.iloc[0].tolist() == ["tsn 1", 1, pytest.approx(0.7), 3, False]
    assert choice_table(record_of({}, candidates)).empty


@pytest.mark.parametrize(
    ("values", "rate", "edge"),
    [
        ((0.5, 0.4, 0.3), 0.1, True),
        ((0.3, 0.4, 0.5), 10, True),
        ((0.5, 0.5, 0.5), 0.1, True),  # of equals the first
        ((np.nan, 0.4, 0.3), 1, False),  # constant predictions
        ((np.nan, np.nan, np.nan), None, None),
        ((0.5, 0.4), None, None),  # unfinished
    ],
)
def test_the_highest_mean_is_chosen_and_an_edge_is_told(values, rate, edge):
    named = zip(THREE, values, strict=False)
    tried = {one.name: (value - 0.1, value + 0.1) for one, value in named}
    chosen = choice_table(record_of(tried, THREE))
    if rate is None:
        assert chosen.empty
    else:
        assert chosen.loc[("tsn", "rate"), ["value", "at the edge"]].tolist() == [rate, edge]

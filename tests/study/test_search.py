"""Searches: validation images alone, and no trial twice."""

import pytest
import yaml

from tsniqa.data.images import ImageSet
from tsniqa.errors import ConfigError, RecordError
from tsniqa.paths import project_root
from tsniqa.study import search as module
from tsniqa.study.search import (
    Candidate,
    SearchPlan,
    load_search_plan,
    load_search_record,
    search,
)

SEARCHES = sorted(
    path
    for path in (project_root() / "data" / "searches").glob("*.yml")
    if "candidates:" in path.read_text()  # the others are backbone cards that candidates name
)


@pytest.fixture
def plan(world):
    common = {"backbone": str(world.card)}
    return SearchPlan(
        preset="smoke",
        tasks=("alpha", "beta"),
        seed=5,
        candidates=(
            Candidate(name="head", strategy="head-only", overrides=world.overrides, **common),
            Candidate(name="affine", overrides=world.overrides, **common),
        ),
    )


def run(plan, world, tmp_path):
    path = tmp_path / "results" / "search.json"
    return search(plan, world.data_root, path, tmp_path / "features"), path


def test_every_candidate_is_tried_on_every_task_and_recorded(plan, world, tmp_path):
    record, path = run(plan, world, tmp_path)
    assert [(trial.candidate, trial.task) for trial in record.trials] == [
        (candidate, task) for candidate in ("head", "affine") for task in ("alpha", "beta")
    ]
    assert load_search_record(path) == record
    for trial in record.trials:
        assert trial.best == max([trial.head_only, *trial.curve])
        assert len(trial.curve) == (0 if trial.candidate == "head" else 3)


def test_trials_learn_alone_as_a_run_would(plan, world, tmp_path):
    record, _ = run(plan, world, tmp_path)
    single = world.plan("tsn", ("beta",), seed=5)
    history = single.strategy.learn(single.tasks[0], []).history
    (trial,) = [t for t in record.trials if (t.candidate, t.task) == ("affine", "beta")]
    assert trial.curve == [e.validation_srcc for e in history if e.step == "images"]


def test_no_test_image_is_opened(plan, world, tmp_path, monkeypatch):
    opened = set()
    original = ImageSet.__getitem__

    def spy(self, index):
        opened.add(self.paths[index])
        return original(self, index)

    monkeypatch.setattr(ImageSet, "__getitem__", spy)
    run(plan, world, tmp_path)
    assert opened
    for name in plan.tasks:
        assert not opened & set(world.task(name).paths("test"))


def test_a_search_cut_off_goes_on_where_it_was(plan, world, tmp_path, monkeypatch):
    original, calls = module._try, []

    def counting(*arguments):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return original(*arguments)

    monkeypatch.setattr(module, "_try", counting)
    with pytest.raises(KeyboardInterrupt):
        run(plan, world, tmp_path)
    assert len(load_search_record(tmp_path / "results" / "search.json").trials) == 2
    record, _ = run(plan, world, tmp_path)
    assert len(record.trials) == 4
    assert len(calls) == 3 + 2
    run(plan, world, tmp_path)
    assert len(calls) == 5


def test_a_candidate_that_changed_under_its_name_is_tried_again(plan, world, tmp_path):
    first, _ = run(plan, world, tmp_path)
    head, affine = plan.candidates
    slower = affine.model_copy(
        update={"overrides": affine.overrides | {"schedule.normalization.epochs": 1}}
    )
    second, _ = run(plan.model_copy(update={"candidates": (head, slower)}), world, tmp_path)
    assert [len(trial.curve) for trial in second.trials] == [0, 0, 2, 2]
    assert second.trials[:2] == first.trials[:2]


@pytest.mark.parametrize("path", SEARCHES, ids=lambda path: path.stem)
def test_shipped_searches_are_valid_and_small(path):
    plan = load_search_plan(path)
    assert 0 < len(plan.candidates) <= 12
    assert len({candidate.name for candidate in plan.candidates}) == len(plan.candidates)


@pytest.mark.parametrize("content", [None, "", "candidates: 3", "preset: [", "- list"])
def test_what_is_no_search_file_is_one_line(tmp_path, content):
    path = tmp_path / "own.yml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError) as caught:
        load_search_plan(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_no_search_record_is_one_line(tmp_path):
    for content in (None, "{ half"):
        if content is not None:
            (tmp_path / "own.json").write_text(content)
        with pytest.raises(RecordError, match="no readable search record at") as caught:
            load_search_record(tmp_path / "own.json")
        assert "\n" not in str(caught.value)


def test_a_candidate_that_names_something_unknown_is_refused(plan, world, tmp_path):
    wrong = plan.candidates[0].model_copy(update={"strategy": "tsm"})
    with pytest.raises(ConfigError, match=r"unknown strategy 'tsm'; did you mean 'tsn'\?"):
        run(plan.model_copy(update={"candidates": (wrong,)}), world, tmp_path)


def test_a_plan_comes_back_from_its_yaml(plan, tmp_path):
    (tmp_path / "own.yml").write_text(yaml.safe_dump(plan.model_dump(mode="json")))
    assert load_search_plan(tmp_path / "own.yml") == plan

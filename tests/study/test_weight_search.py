"""Weight searches: the whole order, validation images alone, no trial twice."""

import numpy as np
import pytest

from tsniqa.data.images import ImageSet
from tsniqa.errors import ConfigError, RecordError
from tsniqa.metrics import srcc
from tsniqa.model.readouts import mix
from tsniqa.paths import project_root
from tsniqa.scoring.features import image_features
from tsniqa.strategies import STRATEGIES
from tsniqa.study import weight_search as module
from tsniqa.study.weight_search import (
    WeightPlan,
    load_weight_plan,
    load_weight_record,
    search_weights,
    validation_srcc,
)

SHIPPED = project_root() / "data" / "searches" / "mini-weights.yml"


@pytest.fixture
def prepared(world, monkeypatch):
    """Let every trial learn the tiny tasks on the tiny network; collects what was prepared."""
    found = []

    def prepare(config, data_root, cache=None):
        weight = config.overrides["weights"][config.strategy]
        plan = world.plan(config.strategy, ("alpha", "beta"), seed=config.seed)
        plan.setting.strategy_weight = weight
        plan.strategy.__init__(plan.setting)
        found.append(plan)
        return plan

    monkeypatch.setattr(module, "prepare", prepare)
    return found


def run(world, path, **fields):
    plan = WeightPlan(preset="smoke", strategies=("lwf", "unique"), factors=(1, 10), **fields)
    return search_weights(plan, world.data_root, path, path.parent / "features")


def test_every_factor_of_every_strategy_is_tried_and_recorded(world, prepared, tmp_path):
    record = run(world, tmp_path / "search.json")
    tried = [(trial.strategy, trial.factor, trial.weight) for trial in record.trials]
    assert tried == [("lwf", 1, 10), ("lwf", 10, 100), ("unique", 1, 1), ("unique", 10, 10)]
    assert load_weight_record(tmp_path / "search.json") == record
    assert [list(trial.srcc) for trial in record.trials[1:3]] == [
        ["gated", "latest", "oracle"],
        ["single"],
    ]
    assert all(list(own) == ["alpha", "beta"] for t in record.trials for own in t.srcc.values())


def test_finished_trials_are_not_repeated(world, prepared, tmp_path):
    path = tmp_path / "search.json"
    first = run(world, path)
    assert run(world, path) == first
    assert len(prepared) == 4


@pytest.mark.parametrize("change", ["seed", "version"])
def test_a_record_of_other_conditions_is_kept_and_refused(
    change, world, prepared, tmp_path, monkeypatch
):
    path = tmp_path / "search.json"
    run(world, path)
    before = path.read_text()
    if change == "version":
        monkeypatch.setattr(module, "RESULTS_VERSION", 99)
    with pytest.raises(ConfigError, match="name another with --record") as caught:
        run(world, path, **({"seed": 3} if change == "seed" else {}))
    assert "\n" not in str(caught.value)
    assert path.read_text() == before


def test_learning_that_diverged_is_recorded_as_nan(world):
    plan = world.plan("tsn", ("alpha",))
    plan.strategy.learn(plan.tasks[0], [])
    plan.strategy.heads = lambda images: np.full((len(images), 1), np.nan, np.float32)
    assert np.isnan(validation_srcc(plan)["oracle"]["alpha"])


def test_the_validation_scores_are_those_of_the_final_model(world):
    plan = world.plan("icarl-v2", ("alpha", "beta"))
    for step, task in enumerate(plan.tasks):
        plan.strategy.learn(task, plan.tasks[:step])
    found = validation_srcc(plan)
    assert list(found) == ["half", "gated", "latest", "oracle"]
    images, mos, _ = plan.setting.images(plan.tasks[0], "val")
    features = image_features(plan.strategy.backbone, images).head
    heads = np.stack(
        [plan.strategy.heads_[name].score(features).detach().numpy() for name in ("alpha", "beta")],
        1,
    )
    gated = mix(heads, plan.strategy.distances(images), "gated")
    expected = {
        "oracle": heads[:, 0],
        "latest": heads[:, 1],
        "gated": gated,
        "half": (gated + heads[:, 1]) / 2,
    }
    for use, scores in expected.items():
        assert found[use]["alpha"] == pytest.approx(srcc(scores, mos.numpy())), use


def test_no_test_image_is_opened(world, prepared, tmp_path, monkeypatch):
    opened = set()
    original = ImageSet.__getitem__

    def spy(self, index):
        opened.add(self.paths[index])
        return original(self, index)

    monkeypatch.setattr(ImageSet, "__getitem__", spy)
    run(world, tmp_path / "search.json")
    tests = {path for task in prepared[0].tasks for path in task.paths("test")}
    assert opened
    assert not opened & tests


def test_the_shipped_plan_covers_every_strategy_that_has_a_weight():
    plan = load_weight_plan(SHIPPED)
    weighted = {name for name, own in STRATEGIES.items() if own.default_weight is not None}
    assert set(plan.strategies) == weighted
    assert 1 in plan.factors, "the published weight is among those tried"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("preset: mini\nfactors: [1]", "is not a valid weight-search file"),
        ("preset: mini\nstrategies: [tsn]\nfactors: [1]", "'tsn' has no main weight"),
        ("preset: mini\nstrategies: [lfw]\nfactors: [1]", "did you mean 'lwf'"),
        ("preset: mini\nstrategies: [lwf]\nfactors: [0]", "is not a valid weight-search file"),
        ("preset: mini\nstrategies: []\nfactors: [1]", "is not a valid weight-search file"),
        ("preset: mini\nstrategies: [lwf, lwf]\nfactors: [1]", "name each once"),
        ("preset: minni\nstrategies: [lwf]\nfactors: [1]", "did you mean 'mini'"),
    ],
)
def test_a_mistake_in_the_file_is_one_line(text, message, tmp_path):
    path = tmp_path / "plan.yml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        load_weight_plan(path)
    assert "\n" not in str(caught.value)


def test_missing_files_are_said_to_be_missing(tmp_path):
    with pytest.raises(ConfigError, match="no weight-search file"):
        load_weight_plan(tmp_path / "none.yml")
    with pytest.raises(RecordError, match="run the search first"):
        load_weight_record(tmp_path / "none.json")

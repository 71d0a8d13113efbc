"""TSN-IQA as a model: add tasks, score, save, load."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tsniqa.data.images import ImageSet
from tsniqa.errors import ConfigError, WeightsError
from tsniqa.model.backbone import WEIGHTS_VARIABLE
from tsniqa.model.gating import KMeansGate, softmin_weights
from tsniqa.model.normalization import NormalizationBank
from tsniqa.model.readouts import MIXTURES, mix
from tsniqa.model.tsniqa import TSNIQA
from tsniqa.scoring.features import image_features


@pytest.fixture(scope="module")
def model(world):
    """Two tasks, learned in an order that is not the names'."""
    plan = world.plan("tsn", ("beta", "alpha"))
    for step, task in enumerate(plan.tasks):
        plan.strategy.learn(task, plan.tasks[:step])
    return plan.strategy.model


@pytest.fixture(scope="module")
def images(world):
    return ImageSet(world.task("gamma").paths("test"), None)


def test_scores_equal_the_published_way_of_scoring_one_task_after_another(model, images):
    """Load a task's normalization, run, read its head; once more for the gate; then mix."""
    columns = []
    for task in ("alpha", "beta"):
        model.bank.load(task)
        columns.append(model.heads[task].score(image_features(model.backbone, images).head))
    model.bank.load(None)
    gate = [stage.numpy() for stage in image_features(model.backbone, images).gate]
    heads = torch.stack(columns, 1).detach().numpy()
    distances = model.gate.distances(gate)
    assert np.array_equal(model.head_scores(images), heads)
    assert np.array_equal(model.distances(images), distances)
    offsets = np.array([model.offsets["alpha"], model.offsets["beta"]])
    for use in MIXTURES:
        assert np.array_equal(model.score(images, use), mix(heads, distances, use, offsets))
    score, weights = model.score_with_weights(images)
    assert np.array_equal(score, model.score(images, "gated"))
    assert np.array_equal(weights, softmin_weights(distances))


def test_scoring_leaves_the_network_as_it_was(model, images):
    before = {n: v.clone() for n, v in model.backbone.network.state_dict().items()}
    model.score(images)
    after = model.backbone.network.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_quality_lies_between_minus_one_and_one(model, images):
    for use in ("gated", "hard", "uniform"):
        assert np.abs(model.score(images, use)).max() <= 1 + 1e-6


def test_offsets_are_the_mean_scores_over_the_tasks_own_training_images(model, world):
    for task in ("alpha", "beta"):
        train = ImageSet(world.task(task).paths("train"), None)
        own = model.head_scores(train, [task])[:, 0]
        assert model.offsets[task] == pytest.approx(float(np.mean(own, dtype=np.float64)), abs=1e-7)
        centred = own - model.offsets[task]
        assert abs(centred.mean()) < 1e-6


@pytest.fixture
def saved(model, tmp_path):
    model.save(tmp_path / "model")
    return tmp_path / "model"


def test_a_loaded_model_scores_bit_for_bit(model, images, saved):
    loaded = TSNIQA.load(saved)
    assert loaded.tasks == model.tasks == ["alpha", "beta"]
    assert loaded.offsets == model.offsets
    assert loaded.shorter_side == model.shorter_side
    for use in MIXTURES:
        assert loaded.score(images, use).tobytes() == model.score(images, use).tobytes()
    assert np.array_equal(loaded.distances(images), model.distances(images))
    state, again = model.state(), loaded.state()
    assert state.keys() == again.keys()
    assert all(torch.equal(state[name], again[name]) for name in state)


def test_the_folder_holds_one_normalization_file_a_task_and_no_pickle(saved):
    assert {path.relative_to(saved).as_posix() for path in saved.rglob("*") if path.is_file()} == {
        "model.json",
        "heads_and_gate.safetensors",
        "normalization/alpha.safetensors",
        "normalization/beta.safetensors",
    }
    rest = load_file(saved / "heads_and_gate.safetensors")
    assert set(rest) == {
        *(f"{kind}/{task}" for kind in ("head", "offset") for task in ("alpha", "beta")),
        *(f"gate/{task}/{stage}" for task in ("alpha", "beta") for stage in (0, 1)),
    }


def test_gate_options_are_kept(world, tmp_path):
    plan = world.plan("tsn", ("alpha",), overrides={"gate.temperature": 8.0})
    plan.strategy.learn(plan.tasks[0], [])
    plan.strategy.save(tmp_path)
    gate = TSNIQA.load(tmp_path).gate
    assert (gate.clusters, gate.n_init, gate.temperature) == (5, 2, 8.0)


def test_the_temperature_of_the_gate_is_that_of_the_scores(world, model, images):
    other = TSNIQA(model.backbone, KMeansGate(temperature=2.0), model.bank)
    other.heads, other.offsets = model.heads, model.offsets
    other.gate.load_state(model.gate.state())
    score, weights = other.score_with_weights(images)
    assert np.array_equal(weights, softmin_weights(model.distances(images), 2.0))
    np.testing.assert_allclose(score, (weights * model.head_scores(images)).sum(1))


def test_a_model_without_tasks_and_an_unknown_use_are_refused(world, model, images):
    empty = TSNIQA(world.backbone(), KMeansGate())
    assert isinstance(empty.bank, NormalizationBank)
    with pytest.raises(ConfigError, match="the model has learned no task yet"):
        empty.score(images)
    with pytest.raises(ConfigError, match=r"unknown use 'gate'; did you mean 'gated'\?"):
        model.score(images, "gate")


def test_a_model_finds_its_weights_on_another_machine(model, images, saved, world, monkeypatch):
    card = json.loads((saved / "model.json").read_text())["backbone"]
    change(saved / "model.json", backbone=card | {"weights": "/elsewhere/tiny.safetensors"})
    with pytest.raises(WeightsError, match=r"no weight file at /elsewhere/tiny\.safetensors"):
        TSNIQA.load(saved)
    monkeypatch.setenv(WEIGHTS_VARIABLE, str(world.card.parent))
    assert np.array_equal(TSNIQA.load(saved).score(images), model.score(images))


def change(path, **fields):
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def damage(saved, kind):
    if kind == "no folder":
        return saved.parent / "nothing"
    if kind == "half a description":
        (saved / "model.json").write_text('{"format": 1,')
    elif kind == "no description":
        (saved / "model.json").write_text("{}")
    elif kind == "half an array file":
        (saved / "heads_and_gate.safetensors").write_bytes(b"half")
    elif kind == "other filters":
        change(saved / "model.json", filters_fingerprint="0" * 64)
    elif kind == "other normalization":
        (saved / "normalization" / "beta.safetensors").write_bytes(b"half")
    elif kind == "normalization gone":
        (saved / "normalization" / "beta.safetensors").unlink()
    return saved


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("no folder", "no saved model in"),
        ("half a description", "no saved model in"),
        ("no description", "no saved model in"),
        ("half an array file", "no saved model in"),
        ("other filters", "the weights of backbone 'tiny' are not those the model was learned on"),
        ("other normalization", "is not a readable safetensors file"),
        ("normalization gone", "lacks normalization/beta.safetensors; restore the file"),
    ],
)
def test_what_is_no_model_is_refused_in_one_line(saved, kind, message):
    with pytest.raises(WeightsError) as caught:
        TSNIQA.load(damage(saved, kind))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)

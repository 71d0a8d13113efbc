"""The pretext and the bundled mini backbone made by it."""

import hashlib

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import normalize as unit

from tsniqa import seeds
from tsniqa.errors import DataError, WeightsError
from tsniqa.model.backbone import load_backbone, load_card
from tsniqa.model.normalization import normalization_layers
from tsniqa.paths import shipped
from tsniqa.synthetic import benchmark, pretext
from tsniqa.synthetic.distortions import DISTORTIONS
from tsniqa.training import pretraining

TINY = pretext.Recipe(images=64, validation=24, test=24, epochs=2, batch=16, crop=48)


@pytest.fixture
def asked(monkeypatch):
    """All names that seeds are derived from during a test."""
    names = []

    def recording(seed, *purpose):
        names.append(purpose)
        return original(seed, *purpose)

    original = seeds.derive_seed
    monkeypatch.setattr(seeds, "derive_seed", recording)
    monkeypatch.setattr(pretext, "derive_seed", recording)
    return names


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Folder and log of a tiny pretraining."""
    folder = tmp_path_factory.mktemp("pretraining") / "new"
    return folder, pretraining.pretrain_backbone(TINY, folder)


def test_seeds_of_the_pretext_bear_its_name_and_those_of_the_benchmark_never_do(asked):
    pretext.make_images(0, 20, seed=0)
    pretext.make_network(0)
    assert len(asked) >= 41, "a scene and an image each, and the network"
    assert {purpose[0] for purpose in asked} == {"pretext"}
    asked.clear()
    for task in benchmark.MINI_TASKS:
        plans = benchmark.plan_task(task, 0)
        benchmark.render(task, 0, plans[:1])
    assert {purpose[0] for purpose in asked} == set(benchmark.MINI_TASKS)


def test_training_validation_and_test_scenes_never_overlap():
    recipe = pretext.Recipe()
    assert recipe.images <= pretext.VALIDATION_START
    assert pretext.VALIDATION_START + recipe.validation <= pretext.TEST_START


def test_images_are_reproducible_and_depend_on_their_number_alone():
    images, classes = pretext.make_images(3, 4, seed=0)
    again = pretext.make_images(5, 1, seed=0)
    assert images.shape == (4, 3, 96, 96)
    assert images.dtype == torch.uint8
    assert torch.equal(images[2], again.images[0])
    assert classes[2] == again.classes[0]
    assert not torch.equal(images, pretext.make_images(3, 4, seed=1).images)


def test_the_pretext_never_shows_a_held_out_distortion(monkeypatch):
    shown = []
    monkeypatch.setattr(pretext, "distort", lambda name, scene, *_: shown.append(name) or scene)
    pretext.make_images(0, 150, seed=0)
    assert set(shown) == set(pretext.PRETEXT_DISTORTIONS)
    assert set(shown).isdisjoint(pretext.HELD_OUT_TYPES)
    phone = {name for name in DISTORTIONS if name.startswith("phone-")}
    chains = {"everyday-mixture", "fast-fading", "pink-noise", "camera-shake"} | phone
    assert chains < set(pretext.HELD_OUT_TYPES)
    assert len(pretext.HELD_OUT_TYPES) > len(DISTORTIONS) / 2


@given(st.integers(1, len(pretext.PRETEXT_DISTORTIONS)), st.integers(1, 5))
def test_a_class_says_its_type_and_level(kind, level):
    number = np.array([pretext.class_of(kind, level)])
    assert 0 < number < pretext.CLASSES
    assert pretext.type_of(number) == kind
    assert pretext.level_of(number) == level


def test_the_pristine_class_has_level_zero():
    assert pretext.class_of(0, 4) == 0
    assert pretext.type_of(np.array([0])) == pretext.level_of(np.array([0])) == 0


def test_accuracy_and_confusion_by_hand():
    # pristine; type 1 level 1; type 1 level 2; type 2 level 1
    true = np.array([0, 1, 2, 6])
    # right; right type, wrong level; taken for pristine; wrong type, right level
    predicted = np.array([0, 2, 0, 1])
    assert pretext.accuracy(predicted, true) == pretext.Accuracy(type=0.5, level=1 / 3, both=0.25)
    shares = pretext.confusion(predicted, true)
    assert shares[0, 0] == 1
    assert shares[1, :2].tolist() == [0.5, 0.5]
    assert shares[2, 1] == 1
    assert shares[3:].sum() == 0


def test_training_lowers_the_loss():
    recipe = TINY.model_copy(update={"epochs": 10})
    images = pretext.make_images(0, recipe.images, recipe.seed)
    network = pretext.make_network(recipe.seed)
    epochs = list(pretext.pretrain(network, recipe, images, images))
    assert [epoch.epoch for epoch in epochs] == list(range(1, 11))
    assert epochs[-1].loss < 0.9 * epochs[0].loss


def test_training_again_gives_the_same_bits(trained, tmp_path):
    folder, log = trained
    again = pretraining.pretrain_backbone(TINY, tmp_path)
    assert (folder / "mini.safetensors").read_bytes() == (
        tmp_path / "mini.safetensors"
    ).read_bytes()
    assert [epoch.loss for epoch in again.epochs] == [epoch.loss for epoch in log.epochs]


def test_a_pretraining_leaves_a_backbone_a_classifier_and_a_log(trained):
    folder, log = trained
    backbone = load_backbone(load_card(str(folder / "mini.yml")))
    network = pretraining.load_network(folder)
    assert pretraining.load_pretraining(folder) == log
    images = pretext.make_images(pretext.TEST_START, TINY.test, TINY.seed)
    measured = pretext.accuracy(pretext.predict(network, images.images), images.classes.numpy())
    assert measured == log.test
    inputs = backbone.preprocess(images.images[:2])
    with torch.inference_mode():
        expected = unit(network.forward_features(inputs).mean((2, 3)), dim=1)
        torch.testing.assert_close(backbone(inputs).head, expected)


def test_a_missing_or_damaged_pretraining_says_what_to_do(tmp_path):
    with pytest.raises(DataError, match=r"no pretraining log at .*mini-pretraining\.json"):
        pretraining.load_pretraining(tmp_path)
    with pytest.raises(WeightsError, match="train again into that folder"):
        pretraining.load_network(tmp_path)
    (tmp_path / "mini-pretraining.json").write_text("{}")
    with pytest.raises(DataError, match="is not a pretraining log"):
        pretraining.load_pretraining(tmp_path)
    with pytest.raises(DataError, match="choose another output"):
        pretraining.pretrain_backbone(TINY, tmp_path / "mini-pretraining.json" / "below")


def test_the_bundled_backbone_is_small_and_fits_its_card():
    card = load_card("mini")
    content = (shipped("backbones") / "mini.safetensors").read_bytes()
    assert hashlib.sha256(content).hexdigest() == card.sha256
    assert len(content) <= 2_000_000
    assert card.licence == "MIT"
    backbone = load_backbone(card)
    assert backbone.head_width == 128
    layers = normalization_layers(backbone.network)
    assert all(isinstance(layer, torch.nn.BatchNorm2d) for layer in layers.values())


def test_the_bundled_backbone_names_distortions_as_its_log_says():
    log = pretraining.load_pretraining()
    images = pretext.make_images(pretext.TEST_START, 120, log.recipe.seed)
    network = pretraining.load_network()
    found = pretext.accuracy(pretext.predict(network, images.images), images.classes.numpy())
    assert found.type == pytest.approx(log.test.type, abs=0.15), "120 images: +-0.09 at 95%"


def test_the_log_of_the_bundled_backbone_is_this_recipe():
    log = pretraining.load_pretraining()
    assert log.recipe == pretext.Recipe()
    assert len(log.epochs) == log.recipe.epochs
    assert log.distortions == pretext.PRETEXT_DISTORTIONS
    assert log.held_out_distortions == pretext.HELD_OUT_TYPES

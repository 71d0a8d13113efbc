"""TSN-IQA as a model: score, explain, save, load."""

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import tsniqa
from handmade import make_model, pictures
from tsniqa import TSNIQA, KMeansGate
from tsniqa.cards import WEIGHTS_VARIABLE
from tsniqa.errors import ConfigError, DataError, WeightsError
from tsniqa.model.gating import softmin_weights
from tsniqa.model.readouts import MIXTURES, mix, readout_levels, readout_weights
from tsniqa.model.tsniqa import SHARED
from tsniqa.paths import project_root
from tsniqa.pixels import BATCH_IMAGES
from tsniqa.scoring.features import image_features
from tsniqa.storage import load_tensors, save_tensors

KINDS = {
    "tsn": {},
    "heads alone": {"select": "nothing"},
    "masks": {"select": "masks"},
    "separate": {"select": "everything", "ridge": True},
    "one network": {"select": "everything", "shared": True},
}


def single(backbone):
    """Make a model with one head for all tasks and no gate."""
    model = make_model(backbone, "everything", (SHARED,))
    model.gate = model.analytic = None
    return model


def make(world, kind):
    return single(world.backbone()) if kind == "single" else make_model(
        world.backbone(), **KINDS[kind]
    )  # fmt: skip


IMAGES = pictures(3) + pictures(2, (24, 48), seed=1)


@pytest.mark.parametrize("kind", KINDS)
def test_scores_equal_the_published_way_of_scoring_one_task_after_another(world, kind):
    """Load a task's state, run, read its head; once more for the gate; then mix."""
    model, columns = make(world, kind), []
    for task in ("alpha", "beta"):
        model.bank.load(
            SHARED if kind == "one network" else None if kind == "heads alone" else task
        )
        columns.append(model.heads[task].score(image_features(model.backbone, IMAGES).head))
    model.bank.load(None)
    reference = image_features(model.backbone, IMAGES)
    heads, distances, features = model.read(IMAGES)
    assert np.array_equal(heads, torch.stack(columns, 1).numpy())
    assert np.array_equal(distances, model.gate.transform([s.numpy() for s in reference.gate]))
    assert np.array_equal(features, reference.gate[0].numpy())
    published = softmin_weights(distances, model.gate.temperature)
    analytic = model.analytic.predict_proba(features)
    for readout in MIXTURES:
        weights = readout_weights(readout, published, analytic)
        levels = readout_levels(readout, [model.levels["alpha"], model.levels["beta"]])
        assert np.array_equal(model.predict(IMAGES, readout), mix(heads, weights, levels))


def test_an_explanation_holds_all_parts_of_the_score(model):
    table = model.explain(IMAGES)
    heads, distances, _ = model.read(IMAGES)
    weights = softmin_weights(distances, model.gate.temperature)
    assert list(table) == ["score"] + [
        f"{part} {task}" for part in ("head", "weight", "distance") for task in ("alpha", "beta")
    ]
    assert np.array_equal(table[["head alpha", "head beta"]], heads)
    assert np.array_equal(table[["weight alpha", "weight beta"]], weights)
    assert np.array_equal(table[["distance alpha", "distance beta"]], distances.mean(2))
    np.testing.assert_allclose(table["score"], (weights * heads).sum(1), atol=1e-12)


@pytest.mark.parametrize("readout", MIXTURES)
@pytest.mark.parametrize("kind", ["tsn", "one network", "single"])
def test_forward_predict_and_explain_agree_for_uint8_and_floating_point(world, kind, readout):
    model = make(world, kind)
    model.readout = readout
    assert model.lower_better is False
    batch = torch.stack(IMAGES[:3])
    expected = model.predict(batch)
    assert np.array_equal(expected, model.explain(batch)["score"])
    assert np.ptp(expected) > 1e-4
    for images in (batch, batch / 255, batch.double() / 255):
        scores = model(images)
        assert (scores.shape, scores.dtype, scores.requires_grad) == ((3,), torch.float32, False)
        np.testing.assert_allclose(scores, expected, atol=1e-6)
        np.testing.assert_allclose(model.predict(images), expected, atol=1e-6)


def test_gradients_reach_the_image_and_point_uphill(model):
    image = (torch.stack(IMAGES[:2]) / 255).mul_(0.9).requires_grad_()
    score = model(image)
    score.sum().backward()
    assert image.grad.isfinite().all()
    assert (image.grad.flatten(1).norm(dim=1) > 0).all()
    step = 1e-3 / image.grad.flatten(1).norm(dim=1).view(2, 1, 1, 1)
    uphill = (image + step * image.grad).clamp(0, 1).detach()
    heads_up, heads = model.read(uphill)[0], model.read(image.detach())[0]
    weights = model.explain(image.detach())[["weight alpha", "weight beta"]].to_numpy()
    assert ((weights * (heads_up - heads)).sum(1) > 0).all()


def test_the_models_limit_of_the_shorter_side_is_applied_everywhere(world):
    model, plain = make_model(world.backbone(), shorter_side=24), make_model(world.backbone())
    large = torch.stack(pictures(2, (48, 60)))
    halved = torch.nn.functional.interpolate(
        large / 255, (24, 30), mode="bilinear", antialias=True, align_corners=False
    )
    np.testing.assert_allclose(model(large / 255), plain(halved), atol=1e-5)
    np.testing.assert_allclose(model(large), model.predict(large), atol=1e-6)
    assert not np.allclose(model.predict(large), plain.predict(large), atol=1e-6)


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        (torch.full((1, 3, 8, 8), 1.5), "pixels run from 1.5 to 1.5; divide by"),
        (torch.full((1, 3, 8, 8), float("nan")), "pixels run from nan"),
        (torch.ones((1, 3, 8, 8), dtype=torch.int64), "pixels are torch.int64; give uint8"),
        (torch.ones(3, 8, 8), r"not \[N, 3, H, W\]"),
    ],
)
def test_a_batch_that_cannot_be_pixels_is_refused(model, batch, message):
    with pytest.raises(DataError, match=message):
        model(batch)


def test_images_are_read_lazily_and_their_company_changes_nothing(model):
    taken = []
    many = pictures(3 * BATCH_IMAGES)
    lazily = (taken.append(i) or image for i, image in enumerate(many))
    inside = model.features
    held = []
    model.features = lambda batch, *rest: held.append(len(taken)) or inside(batch, *rest)
    try:
        together = model.predict(lazily)
    finally:
        del model.features
    assert held == [BATCH_IMAGES + 1, 2 * BATCH_IMAGES + 1, 3 * BATCH_IMAGES]
    alone = np.concatenate([model.predict(image) for image in many])
    np.testing.assert_allclose(together, alone, atol=1e-6)
    with pytest.raises(DataError, match="there is no image to score"):
        model.predict([])


def test_scoring_leaves_the_network_as_it_was_even_in_training_mode(model):
    before = {n: v.clone() for n, v in model.backbone.network.state_dict().items()}
    expected = model.predict(IMAGES)
    model.train()
    assert np.array_equal(model.predict(IMAGES), expected)
    after = model.backbone.network.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_some_heads_or_the_gate_can_be_read_alone(model):
    heads, distances, features = model.read(IMAGES)
    alone = model.read(IMAGES, ["beta"], gate=False)
    assert np.array_equal(alone.heads, heads[:, 1:])
    assert alone.distances is alone.gate_features is None
    nothing, *again = model.read(IMAGES, ())
    assert nothing.shape == (len(IMAGES), 0)
    assert all(map(np.array_equal, again, (distances, features)))


@pytest.mark.parametrize("kind", ["tsn", "heads alone"])
def test_known_features_of_the_untouched_network_spare_a_pass_and_change_nothing(world, kind):
    model = make(world, kind)
    model.bank.load(None)
    known = image_features(model.backbone, IMAGES)
    passes = []
    model.backbone.register_forward_hook(lambda *_: passes.append(1))
    whole = model.read(IMAGES)
    count = len(passes)
    assert all(map(np.array_equal, model.read(IMAGES, untouched=known), whole))
    spared = 2 * count - len(passes)
    batches = count if kind == "heads alone" else count // 3
    assert spared == batches > 0


def test_the_default_readout_is_the_models_own(world):
    model = make_model(world.backbone(), readout="calibrated")
    assert np.array_equal(model.predict(IMAGES), model.predict(IMAGES, "calibrated"))
    assert not np.allclose(model.predict(IMAGES), model.predict(IMAGES, "gated"))
    model.readout = "set"
    weights = model.explain(IMAGES)[["weight alpha", "weight beta"]].to_numpy()
    single = model.explain(IMAGES, "calibrated")[["weight alpha", "weight beta"]].to_numpy()
    np.testing.assert_allclose(weights, np.tile(single.mean(axis=0), (len(IMAGES), 1)))
    assert np.array_equal(model.predict(IMAGES[0]), model.predict(IMAGES[0], "calibrated"))


def test_a_model_without_analytic_gate_says_which_readout_needs_it(world):
    model = make_model(world.backbone())
    model.analytic = None
    with pytest.raises(ConfigError, match="the readout 'set' needs an analytic gate, which this"):
        model.predict(IMAGES, "set")
    assert np.isfinite(model.predict(IMAGES)).all()


def test_the_order_of_learning_changes_no_bit(world, model):
    other = make_model(world.backbone(), tasks=("alpha", "beta"))
    assert other.predict(IMAGES).tobytes() == model.predict(IMAGES).tobytes()


def test_levels_are_mean_and_spread_of_the_scores_of_the_tasks_own_training_images(model):
    for task in model.tasks:
        own = model.read(pictures(seed=sum(map(ord, task))), [task]).heads.astype(np.float64)
        assert model.levels[task] == pytest.approx((own.mean(), own.std()), abs=1e-7)


def test_the_bank_goes_where_the_model_goes(world):
    model = make_model(world.backbone())
    expected = model.predict(IMAGES)
    if torch.cuda.is_available():
        np.testing.assert_allclose(model.to("cuda").predict(IMAGES), expected, atol=1e-3)
    model.to(torch.float16)
    states = [model.bank.initial, *model.bank.states.values()]
    assert {value.dtype for state in states for value in state.values()} == {torch.float16}


def test_a_model_without_tasks_and_an_unknown_readout_are_refused(world, model):
    empty = TSNIQA(world.backbone(), KMeansGate())
    for score in (empty.predict, lambda images: empty(torch.stack(images))):
        with pytest.raises(ConfigError, match="the model has learned no task yet"):
            score(IMAGES[:2])
    with pytest.raises(ConfigError, match=r"unknown readout 'gate'; did you mean 'gated'\?"):
        model.predict(IMAGES, "gate")


@pytest.mark.parametrize("kind", [*KINDS, "single"])
@pytest.mark.parametrize("path", [str, Path])
def test_a_loaded_model_scores_bit_for_bit(world, tmp_path, kind, path):
    model = make(world, kind)
    model.shorter_side, model.readout = 30, "calibrated"
    model.save(path(tmp_path / "model"))
    loaded = TSNIQA.load(path(tmp_path / "model"))
    assert (loaded.tasks, loaded.levels, loaded.shorter_side) == (model.tasks, model.levels, 30)
    assert loaded.readout == "calibrated"
    for readout in MIXTURES if kind != "single" else (None,):
        assert loaded.predict(IMAGES, readout).tobytes() == model.predict(IMAGES, readout).tobytes()
    state, again = model.state(), loaded.state()
    assert state.keys() == again.keys()
    assert all(torch.equal(state[name], again[name]) for name in state)
    assert loaded.gate is None or loaded.gate.get_params() == model.gate.get_params()
    assert loaded.analytic is None or loaded.analytic.get_params() == model.analytic.get_params()


def test_a_task_that_cannot_be_added_leaves_the_model_as_it_was(model):
    before, features = model.state(), image_features(model.backbone, IMAGES)
    for head, gate in ((None, features.gate), (model.heads["alpha"], None)):
        with pytest.raises((AttributeError, TypeError)):
            model.add_task("gamma", head, features, gate)
    assert model.tasks == ["alpha", "beta"]
    assert model.state().keys() == before.keys()


def test_a_model_with_one_head_has_no_readout_to_choose(world):
    with pytest.raises(ConfigError, match="one head for all tasks, so no readout to choose"):
        make(world, "single").predict(IMAGES, "gated")


@pytest.mark.parametrize("kind", [*KINDS, "single"])
def test_torchs_state_dict_holds_what_was_learned(world, kind):
    model, empty = make(world, kind), make(world, kind)
    empty.load_state({})
    stored = io.BytesIO()
    torch.save(model.state_dict(), stored)
    stored.seek(0)
    empty.load_state_dict(torch.load(stored, weights_only=True))
    state, again = model.state(), empty.state()
    assert state.keys() == again.keys()
    assert all(torch.equal(state[name], again[name]) for name in state)
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    empty.load_state(state)  # draws nothing from anybody's random numbers
    assert torch.equal(torch.rand(1), expected)


@pytest.fixture
def saved(model, tmp_path):
    model.save(tmp_path / "model")
    return tmp_path / "model"


def change(saved, **fields):
    path = saved / "model.json"
    about = json.loads(path.read_text()) | fields
    path.write_text(json.dumps({k: v for k, v in about.items() if k != "digest"}))


def test_a_model_finds_its_weights_on_another_machine(model, saved, world, monkeypatch):
    card = json.loads((saved / "model.json").read_text())["backbone"]
    change(saved, backbone=card | {"weights": "/elsewhere/tiny.safetensors"})
    with pytest.raises(WeightsError, match=r"no weight file at /elsewhere/tiny\.safetensors"):
        TSNIQA.load(saved)
    with monkeypatch.context() as patch:
        patch.setenv(WEIGHTS_VARIABLE, str(world.card.parent))
        assert np.array_equal(TSNIQA.load(saved).predict(IMAGES), model.predict(IMAGES))
    moved = saved.rename(saved.parent / "moved")
    (moved / "tiny.safetensors").write_bytes((world.card.parent / "tiny.safetensors").read_bytes())
    assert np.array_equal(TSNIQA.load(moved).predict(IMAGES), model.predict(IMAGES))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"network": "0" * 64}, "the weights of backbone 'tiny' are not those the model was"),
        ({"gate": {"clusters": 3}}, "model.json is not valid"),
        ({"backbone": {"name": "tiny"}}, "backbone: model: Field required"),
        ({"backbone": {"std": [0, 0, 0]}}, "backbone: "),
        ({"tasks": {"alpha": "alpha"}}, "lists other tasks than its files hold"),
        ({"tasks": {"alpha": "alpha", "beta": None}}, "lists other tasks than its files hold"),
    ],
)
def test_a_changed_description_is_refused_in_one_line(saved, fields, message):
    change(saved, **fields)
    with pytest.raises(WeightsError, match=message) as caught:
        TSNIQA.load(saved)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("part", "change", "message"),
    [
        ("heads/beta/weight", lambda x: x * torch.nan, "its heads or gates say no numbers"),
        ("heads/beta/weight", lambda x: x[:-1], "its parts do not fit together"),
        ("gate/beta/0", lambda x: x[:, :-1], "its parts do not fit together"),
        ("analytic/beta", lambda x: x[:3], "its parts do not fit together"),
        ("bank-beta/", lambda x: x[:1], "beta|does not fit|shape"),
    ],
)
def test_parts_of_wrong_shapes_or_values_are_refused_in_one_line(saved, part, change, message):
    about, tensors = load_tensors(saved)
    about = {
        name: value for name, value in about.items() if name not in ("format", "files", "digest")
    }
    name = next(name for name in tensors if name.startswith(part))
    save_tensors(saved, about, tensors | {name: change(tensors[name])})
    with pytest.raises(WeightsError, match=message) as caught:
        TSNIQA.load(saved)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("file", ["bank-beta", "heads", "gate", "analytic"])
def test_a_file_that_is_missing_from_the_description_is_noticed(saved, file):
    about = json.loads((saved / "model.json").read_text())
    (name,) = (name for name in about["files"] if name.startswith(f"{file}."))
    del about["files"][name]
    change(saved, files=about["files"])
    with pytest.raises(WeightsError, match="lists other tasks than its files hold"):
        TSNIQA.load(saved)


def test_the_lines_of_docstring_and_readme_go_from_images_to_scores(
    saved, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    for name, image in zip(("beach.jpg", "forest.png"), IMAGES, strict=False):
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(name)
    lines = [line[8:] for line in tsniqa.__doc__.splitlines() if line.startswith("    >>> ")]
    readme = (project_root() / "README.md").read_text().replace("\n\n", "\n")
    shown = readme[readme.index(lines[0]) :].split("```")[0].splitlines()
    assert [line for line in shown if line in lines] == lines
    names = {}
    exec("\n".join(shown).replace('"photographs"', '"model"'), names)
    assert names["together"].shape == (2,)
    assert names["scores"].shape == (2,)
    assert np.abs(names["scores"]).max() <= 1


def test_importing_the_package_does_not_import_torch():
    code = "import sys, tsniqa; assert 'torch' not in sys.modules; tsniqa.TSNIQA"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert all(getattr(tsniqa, name) for name in tsniqa.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = tsniqa.nothing


def test_a_folder_leaves_out_what_is_the_networks_and_halves_what_loses_nothing(world, tmp_path):
    model = make_model(world.backbone())
    sizes = []
    for change in (lambda x: x, lambda x: x.half().float(), None):
        for task, state in model.bank.states.items():
            for name, value in state.items():
                own = model.bank.initial[name] if change is None else change(value)
                model.bank.states[task][name] = own.clone()
        model.save(tmp_path / "model")
        loaded = TSNIQA.load(tmp_path / "model")
        state, again = model.state(), loaded.state()
        assert state.keys() == again.keys()
        assert all(torch.equal(state[name], again[name]) for name in state)
        assert all(state[name].dtype == again[name].dtype for name in state)
        sizes.append(sum(path.stat().st_size for path in (tmp_path / "model").glob("bank-*")))
    assert sizes[0] > sizes[1] + 1000
    assert sizes[2] == 0

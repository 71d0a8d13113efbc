"""The engine against PyTorch: the same readings of any network, state and size."""

import logging
from importlib.util import find_spec

import numpy as np
import pytest
import torch

from handmade import make_model, pictures
from tsniqa.cards import load_card
from tsniqa.errors import ConfigError
from tsniqa.model.backbone import load_backbone
from tsniqa.scoring import engine
from tsniqa.scoring.engine import ENOUGH, Engine, find_compute
from tsniqa.scoring.stream import score_files

SELECTIONS = ["normalization", "statistics", "affine", "depthwise", "low-rank-1", "masks"]
LIBRARIES = [
    "onnxruntime",
    pytest.param(
        "openvino",
        marks=pytest.mark.skipif(not find_spec("openvino"), reason="openvino is not installed"),
    ),
]


def same(model, compute, images):
    found, expected = model.read(images, compute=compute), model.read(images)
    for own, reference in zip(found, expected, strict=True):
        assert (own is None) == (reference is None)
        if own is not None:
            assert own.dtype == reference.dtype
            np.testing.assert_allclose(own, reference, rtol=0, atol=1e-5)
    return found


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("select", [*SELECTIONS, "everything", "nothing"])
def test_every_kind_of_state_is_read_as_by_pytorch(world, select, library):
    model = make_model(world.backbone(), select)
    run = Engine(model, library)
    images = [*pictures(3), *pictures(2, (33, 70), seed=1), torch.rand(3, 41, 35)]
    heads = same(model, run.features, images).heads
    assert np.ptp(heads, axis=1).min() > 1e-3  # each head has its own say


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("name", ["efficientnet-lite0", "mobilenetv2-keras", "convnext-atto"])
def test_networks_that_pad_by_size_and_those_of_other_normalization_too(name, library):
    card = load_card(name).model_copy(update={"weights": "none"})
    model = make_model(load_backbone(card), tasks=("beta",))
    run = Engine(model, library)
    for size in ((64, 65), (71, 90)):  # padded by an even and an odd number of pixels
        same(model, run.features, pictures(2, size))


def test_one_shared_head_and_regressions_are_read(world):
    for options in ({"shared": True}, {"ridge": True}):
        model = make_model(world.backbone(), **options)
        same(model, Engine(model).features, pictures())
    alone = make_model(world.backbone(), tasks=("beta",))
    alone.gate = alone.analytic = None
    assert same(alone, Engine(alone).features, pictures()).distances is None


def test_nothing_is_computed_that_is_not_read(world):
    model = make_model(world.backbone())
    run = Engine(model)
    found = run.features(torch.stack(pictures()), [None, "alpha"])
    assert [stage.shape[1] for stage in found[None].gate] == [24, 32]
    assert found[None].head.shape == (5, 0)
    assert [stage.shape[1] for stage in found["alpha"].gate] == [0, 0]
    assert found["alpha"].head.shape == (5, 32)


def test_networks_are_made_when_they_are_needed_and_once(world, monkeypatch):
    made, original = [], engine._LIBRARIES["onnxruntime"]
    libraries = {"onnxruntime": lambda *given: made.append(given) or original(*given)}
    monkeypatch.setattr(engine, "_LIBRARIES", libraries)
    run = Engine(make_model(world.backbone(), tasks=("alpha", "beta", "gamma")), "onnxruntime")
    made.clear()  # one was compared
    for _ in range(2):
        run.features(torch.stack(pictures()), ["beta", "gamma"])
    assert len(made) == 2


def changed(backbone, change):
    """Let a network do something with an image first."""
    kind = type(backbone.network)

    def forward_intermediates(self, images):
        return kind.forward_intermediates(self, change(images))

    own = type("Changed", (kind,), {"forward_intermediates": forward_intermediates})
    backbone.network.__class__ = own
    return backbone


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (torch.special.bessel_j0, "the network cannot be written as ONNX"),
        (lambda x: x * 2 if x.shape[3] > 100 else x.abs(), "reads images otherwise than PyTorch"),
    ],
)
def test_a_network_that_is_no_such_graph_is_left_to_pytorch(world, caplog, change, message):
    model = make_model(changed(world.backbone(), change))
    with pytest.raises(ConfigError, match=message) as caught:
        Engine(model)
    assert str(caught.value).count("\n") == 0
    with caplog.at_level(logging.INFO, "tsniqa"):
        assert find_compute(model, ENOUGH) is None
    assert message in caplog.text
    assert "scoring by PyTorch" in caplog.text


def test_a_network_that_the_library_refuses_is_left_to_pytorch(world, monkeypatch, caplog):
    monkeypatch.setattr(engine, "with_state", lambda *_: b"no graph")
    model = make_model(world.backbone())
    for library in ("onnxruntime", *(["openvino"] if find_spec("openvino") else [])):
        with pytest.raises(ConfigError, match=f"{library} cannot run the network: ") as caught:
            Engine(model, library)
        assert str(caught.value).count("\n") == 0
    with caplog.at_level(logging.INFO, "tsniqa"):
        assert find_compute(model, ENOUGH) is None
    assert "scoring by PyTorch" in caplog.text


def processor_has_bf16():
    if not find_spec("openvino"):
        return False
    import openvino

    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


@pytest.mark.skipif(not processor_has_bf16(), reason="needs OpenVINO and a CPU that has bf16")
def test_bf16_ranks_nearly_the_same(world):
    model = make_model(world.backbone())
    exact, rough = (
        model.read(pictures(20), compute=Engine(model, "openvino", precision).features).heads
        for precision in ("f32", "bf16")
    )
    assert 0 < np.abs(exact - rough).max() < 0.02


def test_an_engine_is_made_for_enough_images(world):
    model = make_model(world.backbone())
    assert find_compute(model, ENOUGH - 1) is None
    assert find_compute(model, ENOUGH) is not None


def test_files_are_scored_by_it_as_without(world):
    model = make_model(world.backbone())
    paths = world.task("gamma").paths("train")
    plain, fast = (
        [row for _, row in score_files(model, paths, compute=compute)]
        for compute in (None, Engine(model).features)
    )
    for one, two in zip(plain, fast, strict=True):
        assert one.keys() == two.keys()
        assert [two[name] for name in one] == pytest.approx(list(one.values()), abs=1e-5)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_a_gpu_scores_as_the_cpu_and_without_an_engine(world):
    model = make_model(world.backbone())
    paths = world.task("gamma").paths("train")
    expected = [row["score"] for _, row in score_files(model, paths)]
    model.to("cuda")
    assert find_compute(model, ENOUGH) is None
    found = [row["score"] for _, row in score_files(model, paths)]
    assert found == pytest.approx(expected, abs=1e-4)

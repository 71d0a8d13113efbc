"""Backbones: cards, weights, frozen filters, pooled features."""

import hashlib

import pytest
import timm
import torch
import yaml
from safetensors.torch import load_file, save_file

from tsniqa.errors import ConfigError, TsniqaError, WeightsError
from tsniqa.model import backbone as module
from tsniqa.model.backbone import BackboneCard, fingerprint, load_backbone, load_card
from tsniqa.model.normalization import normalization_layers
from tsniqa.paths import shipped


def one_line(caught) -> str:
    assert isinstance(caught.value, TsniqaError)
    message = str(caught.value)
    assert "\n" not in message
    return message


def images(count=3, size=40):
    generator = torch.Generator().manual_seed(3)
    return torch.randint(256, (count, 3, size, size), generator=generator, dtype=torch.uint8)


def test_everything_is_frozen_and_in_evaluation_mode(world):
    backbone = world.backbone()
    assert not any(parameter.requires_grad for parameter in backbone.parameters())
    assert not any(part.training for part in backbone.network.modules())


def test_features_are_pooled_maps_of_unit_length(world):
    backbone = world.backbone()
    inputs = backbone.preprocess(images())
    features = backbone.features(inputs)
    final, maps = backbone.network.forward_intermediates(inputs)
    expected = [*(maps[i] for i in (-2, -1)), final]
    for pooled, values in zip([*features.gate, features.head], expected, strict=True):
        slow = torch.stack([image.reshape(image.shape[0], -1).mean(1) for image in values])
        slow = slow / slow.pow(2).sum(1, keepdim=True).sqrt()
        torch.testing.assert_close(pooled, slow)
        assert pooled.dtype == torch.float32
    assert [stage.shape for stage in features.gate] == [(3, 24), (3, 32)]
    assert backbone.head_width == features.head.shape[1] == 32


def test_stages_and_head_feature_follow_the_card(world):
    inputs = world.backbone().preprocess(images())
    early = world.backbone(stages=(1, 2), head_feature="stage").features(inputs)
    assert [stage.shape[1] for stage in early.gate] == [8, 16]
    assert torch.equal(early.head, early.gate[1])


def test_a_network_with_a_wider_last_convolution_feeds_the_head_from_it():
    card = BackboneCard(
        name="wide", model="mobilenetv2_035", weights="none", mean=(0.5,) * 3, std=(0.5,) * 3
    )
    assert load_backbone(card).head_width == 1280
    assert load_backbone(card.model_copy(update={"head_feature": "stage"})).head_width == 112


def test_preprocessing_uses_the_cards_mean_and_std(world):
    backbone = world.backbone(mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6))
    pixels = images()
    inputs = backbone.preprocess(pixels)
    for channel, (mean, std) in enumerate(zip((0.1, 0.2, 0.3), (0.4, 0.5, 0.6), strict=True)):
        expected = (pixels[:, channel].double() / 255 - mean) / std
        torch.testing.assert_close(inputs[:, channel].double(), expected, rtol=0, atol=1e-6)


def test_filters_and_normalization_share_no_parameter_and_miss_none(world):
    backbone = world.backbone()
    filters = backbone.filters().keys()
    affine = {
        f"{name}.{parameter}"
        for name, layer in normalization_layers(backbone.network).items()
        for parameter, _ in layer.named_parameters()
    }
    assert filters | affine == dict(backbone.network.named_parameters()).keys()
    assert not filters & affine
    assert all(backbone.network.get_parameter(name).dim() == 4 for name in filters)


def test_the_filters_fingerprint_sees_one_flipped_bit_of_a_filter_and_no_normalization(world):
    backbone = world.backbone()
    before = backbone.filters_fingerprint()
    assert world.backbone().filters_fingerprint() == before
    with torch.no_grad():
        for layer in normalization_layers(backbone.network).values():
            layer.weight.add_(1)
            layer.running_mean.add_(1)
    assert backbone.filters_fingerprint() == before
    with torch.no_grad():
        weight = next(iter(backbone.filters().values()))
        weight[0, 0, 0, 0] = torch.nextafter(weight[0, 0, 0, 0], torch.tensor(9.0))
    assert backbone.filters_fingerprint() != before


def test_fingerprints_depend_on_names_shapes_types_and_bits_but_not_on_memory_layout():
    value = torch.arange(24.0).reshape(1, 2, 3, 4)
    base = fingerprint({"a": value})
    assert fingerprint({"a": value.to(memory_format=torch.channels_last)}) == base
    others = [{"b": value}, {"a": value.reshape(4, 6)}, {"a": value.double()}, {"a": value + 1}]
    assert base not in [fingerprint(other) for other in others]
    both = {"a": value, "b": value + 1}
    assert fingerprint(both) == fingerprint(dict(reversed(both.items())))


@pytest.mark.parametrize("name", sorted(path.stem for path in shipped("backbones").glob("*.yml")))
def test_shipped_cards_are_valid_and_name_themselves(name):
    card = load_card(name)
    assert card.name == name
    assert card.source
    assert card.licence
    assert timm.is_model(card.model)


def test_the_weights_of_a_safetensors_file_arrive_bit_for_bit(world):
    state = load_file(world.card.parent / "tiny.safetensors")
    network = world.backbone().network.state_dict()
    assert network.keys() == state.keys()
    assert all(torch.equal(network[name], value) for name, value in state.items())


def test_a_state_dict_with_a_classifier_serves_as_well(card, tmp_path, world):
    state = load_file(world.card.parent / "tiny.safetensors")
    state["fc.weight"] = torch.zeros(10, 32)
    torch.save(state, tmp_path / "tiny.pth")
    path = card(tmp_path, weights="tiny.pth")
    loaded = load_backbone(load_card(str(path)))
    assert loaded.filters_fingerprint() == world.backbone().filters_fingerprint()


def test_random_weights_are_the_same_every_time_and_leave_the_global_stream_alone(world):
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    first = world.backbone(weights="none")
    assert torch.equal(torch.rand(1), expected)
    assert first.filters_fingerprint() == world.backbone(weights="none").filters_fingerprint()


def test_weights_are_also_sought_in_the_folder_of_the_environment_variable(
    card, tmp_path, monkeypatch
):
    (tmp_path / "cards").mkdir()
    (tmp_path / "weights").mkdir()
    path = card(tmp_path / "cards")
    weights = (tmp_path / "cards" / "tiny.safetensors").rename(
        tmp_path / "weights" / "tiny.safetensors"
    )
    with pytest.raises(WeightsError, match="no weight file at"):
        load_backbone(load_card(str(path)))
    monkeypatch.setenv(module.WEIGHTS_VARIABLE, str(tmp_path / "weights"))
    assert load_card(str(path)).weights == str(weights)


def test_missing_weights_say_where_to_put_them(card, tmp_path):
    path = card(tmp_path)
    (tmp_path / "tiny.safetensors").unlink()
    with pytest.raises(WeightsError) as caught:
        load_backbone(load_card(str(path)))
    message = one_line(caught)
    assert "backbone 'tiny': no weight file at" in message
    assert "TSNIQA_WEIGHTS" in message


def test_a_wrong_checksum_is_refused(card, tmp_path):
    path = card(tmp_path, sha256="0" * 64)
    with pytest.raises(WeightsError) as caught:
        load_backbone(load_card(str(path)))
    assert "does not have the card's sha256; fetch it again" in one_line(caught)


def test_weights_of_a_narrower_network_are_refused_with_the_first_tensor_that_differs(
    card, tmp_path
):
    path = card(tmp_path, arguments={"channels": [8, 16, 24, 48], "stem_width": 8})
    with pytest.raises(WeightsError) as caught:
        load_backbone(load_card(str(path)))
    message = one_line(caught)
    assert "does not fit 'resnet10t'" in message
    assert "(0 missing, 0 unexpected tensors, 15 of another shape: layer4.0.conv1.weight" in message
    assert "check 'model' and 'arguments'" in message


def test_weights_of_another_architecture_are_refused_with_counts_and_names(card, tmp_path):
    path = card(tmp_path, model="mobilenetv2_035", arguments={})
    with pytest.raises(WeightsError) as caught:
        load_backbone(load_card(str(path)))
    message = one_line(caught)
    assert "does not fit 'mobilenetv2_035'" in message
    assert "conv_stem.weight" in message


@pytest.mark.parametrize("name", ["broken.safetensors", "broken.pth"])
def test_a_file_that_holds_no_weights_is_refused(card, tmp_path, name):
    (tmp_path / name).write_bytes(b"these are not weights")
    path = card(tmp_path, weights=name, sha256=None)
    with pytest.raises(WeightsError) as caught:
        load_backbone(load_card(str(path)))
    assert f"{name} cannot be loaded: " in one_line(caught)


def test_a_pickle_that_would_run_code_is_refused(card, tmp_path):
    class Malicious:
        def __reduce__(self):
            return (print, ("this must not run",))

    torch.save({"conv1.weight": Malicious()}, tmp_path / "evil.pth")
    path = card(tmp_path, weights="evil.pth", sha256=None)
    with pytest.raises(WeightsError) as caught:
        load_backbone(load_card(str(path)))
    assert "cannot be loaded" in one_line(caught)


def test_a_failed_download_gives_the_exact_command(monkeypatch):
    create = timm.create_model

    def offline(name, pretrained, **arguments):
        if pretrained:
            raise OSError("no network")
        return create(name, pretrained=False, **arguments)

    monkeypatch.setattr(timm, "create_model", offline)
    card = BackboneCard(
        name="far", model="mobilenetv2_035", weights="hub", mean=(0.5,) * 3, std=(0.5,) * 3
    )
    with pytest.raises(WeightsError) as caught:
        load_backbone(card)
    command = """python -c "import timm; timm.create_model('mobilenetv2_035', pretrained=True)\""""
    assert command in one_line(caught)


def test_an_unknown_card_is_named_with_the_valid_ones():
    with pytest.raises(ConfigError, match=r"unknown backbone 'resnet81'; did you mean 'resnet18'"):
        load_card("resnet81")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no backbone card at"),
        ("- a\n- list\n", "is not a YAML mapping"),
        ("", "is not a YAML mapping"),
        ("model: [", "is not a YAML mapping"),
        ("model: resnet10t\nweights: none\nmean: [0, 0, 0]\n", "std: Field required"),
        (
            "model: resnet10t\nweights: none\nmean: [0, 0, 0]\nstd: [1, 1, 1]\ncolour: red\n",
            "colour: Extra inputs are not permitted",
        ),
    ],
)
def test_a_malformed_card_is_said_to_be_one(tmp_path, content, message):
    path = tmp_path / "own.yml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError) as caught:
        load_card(str(path))
    text = one_line(caught)
    assert message in text
    assert str(path) in text


@pytest.mark.parametrize(
    "fields",
    [
        {"model": "resnet11t"},
        {"arguments": {"chanels": 3}},
        {"arguments": {"channels": "abc", "stem_width": 8}},
        {"arguments": {"channels": [8], "stem_width": 8}},  # one stage
        {"stages": (0, 9)},
        {"model": "lcnet_035", "arguments": {"global_pool": 5}},
    ],
)
def test_a_card_that_timm_cannot_build_is_refused_in_one_line(world, fields):
    with pytest.raises(ConfigError) as caught:
        world.backbone(weights="none", **fields)
    assert "backbone 'tiny': " in one_line(caught)


def test_the_checksum_is_that_of_the_file(card, tmp_path):
    path = card(tmp_path)
    stored = yaml.safe_load(path.read_text())["sha256"]
    assert stored == hashlib.sha256((tmp_path / "tiny.safetensors").read_bytes()).hexdigest()
    save_file({"conv1.0.weight": torch.zeros(1)}, tmp_path / "tiny.safetensors")
    with pytest.raises(WeightsError, match="sha256"):
        load_backbone(load_card(str(path)))

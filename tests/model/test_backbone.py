"""Backbones: frozen filters, pooled features, fingerprints."""

import torch

from handmade import disturb
from tsniqa import load_backbone
from tsniqa.cards import BackboneCard
from tsniqa.model.backbone import fingerprint
from tsniqa.model.normalization import NormalizationBank, normalization_layers


def images(count=3, size=40):
    generator = torch.Generator().manual_seed(3)
    return torch.randint(256, (count, 3, size, size), generator=generator, dtype=torch.uint8)


def test_everything_is_frozen_and_in_evaluation_mode(world):
    backbone = world.backbone()
    assert not any(parameter.requires_grad for parameter in backbone.parameters())
    for network in (backbone, backbone.train()):
        assert not any(part.training for part in network.modules())


def test_features_are_pooled_maps_of_unit_length(world):
    backbone = world.backbone()
    inputs = backbone.preprocess(images())
    features = backbone(inputs)
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
    early = world.backbone(stages=(1, 2), head_feature="stage")(inputs)
    assert [stage.shape[1] for stage in early.gate] == [8, 16]
    torch.testing.assert_close(early.head, early.gate[1])  # normalised twice


def test_the_multi_stage_feature_is_all_three_side_by_side_each_with_the_same_share(world):
    final, multi = world.backbone(), world.backbone(head_feature="multi")
    inputs = final.preprocess(images())
    single, joined = final(inputs), multi(inputs)
    assert multi.head_width == joined.head.shape[1] == 24 + 32 + 32
    torch.testing.assert_close(joined.head.norm(dim=1), torch.ones(3))
    third = 1 / 3**0.5  # three unit vectors have together the length of sqrt 3
    parts = joined.head.split([24, 32, 32], dim=1)
    for part, whole in zip(parts, [*single.gate, single.head], strict=True):
        torch.testing.assert_close(part, whole * third)
    for own, other in zip(joined.gate, single.gate, strict=True):
        assert torch.equal(own, other)


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


def test_floating_point_images_give_the_input_of_the_same_uint8_ones(world):
    backbone, pixels = world.backbone(), images()
    expected = backbone.preprocess(pixels)
    for dtype in (torch.float32, torch.float64):
        given = (pixels / 255).to(dtype)
        torch.testing.assert_close(backbone.preprocess(given), expected, rtol=0, atol=1e-6)
        assert torch.equal(given, (pixels / 255).to(dtype))


def test_features_under_another_state_leave_the_network_as_it_is(world):
    backbone, inputs = world.backbone(), torch.rand(2, 3, 40, 40)
    bank, before = NormalizationBank(backbone.network), backbone(inputs)
    disturb(backbone.network, "normalization", 3)
    bank.store("a")
    changed = backbone(inputs)
    bank.load(None)
    assert torch.equal(backbone.forward_with(bank.state("a"), inputs).head, changed.head)
    assert torch.equal(backbone(inputs).head, before.head)
    assert not torch.equal(before.head, changed.head)


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

"""Low-rank adapters: nothing at first, and then what they say they add to frozen filters."""

import timm
import torch
from torch import nn
from torch.nn.utils import parametrize

from handmade import disturb
from tsniqa import NormalizationBank
from tsniqa.cards import BackboneCard
from tsniqa.model.adapters import LowRank, add_adapters
from tsniqa.model.backbone import Backbone, load_backbone
from tsniqa.model.normalization import normalization_layers


def small():
    """A dense, a depthwise and a pointwise convolution."""
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 8, 3, groups=8), nn.Conv2d(8, 5, 1)
    ).eval()


def adapters(network):
    return {k: v for k, v in network.named_parameters() if k.endswith((".up", ".down"))}


def test_at_first_the_network_is_the_untouched_one_bit_for_bit():
    card = BackboneCard(
        name="other", model="test_efficientnet", weights="none", mean=(0.5,) * 3, std=(0.5,) * 3
    )
    plain, adapted = load_backbone(card), load_backbone(card)
    NormalizationBank(adapted.network, "low-rank-2")
    generator = torch.Generator().manual_seed(0)
    for size in (64, 97):
        images = torch.randint(256, (3, 3, size, 80), generator=generator, dtype=torch.uint8)
        before, after = (one(one.preprocess(images)) for one in (plain, adapted))
        for own, other in zip([*before.gate, before.head], [*after.gate, after.head], strict=True):
            assert torch.equal(own, other)
    assert adapters(adapted.network)
    assert adapted.filters_fingerprint() == plain.filters_fingerprint()
    assert adapted.filters().keys() == plain.filters().keys()


def test_they_sit_on_dense_filters_alone_and_have_rank_times_both_sides_numbers():
    network = small()
    add_adapters(network, 2)
    expected = {0: (8, 3 * 9), 3: (5, 8)}  # what comes out, and what goes in by height and width
    shapes = {
        f"{layer}.parametrizations.weight.0.{name}": shape
        for layer, (out, inside) in expected.items()
        for name, shape in (("up", (out, 2)), ("down", (2, inside)))
    }
    assert {k: tuple(v.shape) for k, v in adapters(network).items()} == shapes
    assert not any(value.requires_grad for value in adapters(network).values())
    add_adapters(network, 2)  # once is enough
    assert all(len(network[i].parametrizations.weight) == 1 for i in expected)
    assert not parametrize.is_parametrized(network[2])


def test_the_update_is_the_product_of_both_sides():
    weight = torch.zeros(2, 1, 1, 3)
    update = LowRank(weight, 1, torch.Generator().manual_seed(0))
    with torch.no_grad():
        update.up.copy_(torch.tensor([[1.0], [2.0]]))
        update.down.copy_(torch.tensor([[3.0, 4.0, 5.0]]))
    assert update(weight + 1)[:, 0, 0].tolist() == [[4, 5, 6], [7, 9, 11]]


def test_all_networks_start_alike_and_no_global_stream_matters():
    networks = [small(), small()]
    for stream, network in enumerate(networks):
        torch.manual_seed(stream)
        add_adapters(network, 4)
    first, second = map(adapters, networks)
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    down = torch.cat([v.flatten() * v.shape[1] ** 0.5 for k, v in first.items() if "down" in k])
    assert 0.7 < float(down.std()) < 1.3
    assert not any(value.any() for name, value in first.items() if name.endswith("up"))


def test_a_task_owns_adapters_and_normalization_and_the_filters_show_no_trace(world):
    plain, own = world.backbone(), world.backbone()
    bank = NormalizationBank(own.network, "low-rank-2")
    disturb(own.network, "low-rank-2", 1)
    bank.store("a")
    assert own.filters_fingerprint() == plain.filters_fingerprint()
    inputs = plain.preprocess(torch.full((1, 3, 40, 40), 9, dtype=torch.uint8))
    changed = own(inputs).head
    bank.load(None)
    assert not torch.equal(changed, plain(inputs).head)
    assert torch.equal(own(inputs).head, plain(inputs).head)
    assert torch.equal(own.forward_with(bank.state("a"), inputs).head, changed)
    layers = normalization_layers(own.network)
    owned = {name.rpartition(".")[0] for name in bank.initial}
    assert owned == {*layers} | {name.rpartition(".")[0] for name in adapters(own.network)}


def test_of_inverted_residuals_all_but_the_depthwise_filters_have_one():
    network = timm.create_model("test_efficientnet", num_classes=0)
    card = BackboneCard(name="x", model="x", weights="none", mean=(0.5,) * 3, std=(0.5,) * 3)
    depthwise = [
        name for name, layer in network.named_modules()
        if isinstance(layer, nn.Conv2d) and layer.groups > 1
    ]  # fmt: skip
    assert depthwise
    add_adapters(network, 1)
    adapted = {name.split(".parametrizations")[0] for name in adapters(network)}
    assert adapted.isdisjoint(depthwise)
    convolutions = {k for k, layer in network.named_modules() if isinstance(layer, nn.Conv2d)}
    assert adapted == convolutions - set(depthwise)
    assert len(Backbone(card, network).filters()) > len(adapted)

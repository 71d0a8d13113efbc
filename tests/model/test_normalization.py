"""The normalization bank on batch, group and layer normalization networks."""

import copy

import pytest
import timm
import torch
from torch import nn

from handmade import disturb
from tsniqa import NormalizationBank
from tsniqa.errors import ConfigError, WeightsError
from tsniqa.model.normalization import SELECTIONS, use_batch_statistics

# One rank stands for all of them.
KINDS = [name for name in SELECTIONS if not name.startswith("low-rank-") or name == "low-rank-2"]


class ChannelLast(nn.Module):
    """Layer normalization over channels, as ConvNeXt uses it."""

    def __init__(self, channels):
        super().__init__()
        self.norm = nn.LayerNorm(channels)

    def forward(self, x):
        return self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def convolutions(normalization):
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), normalization(8), nn.ReLU(), nn.Conv2d(8, 4, 3), normalization(4)
    )


NETWORKS = {
    "batch": lambda: convolutions(nn.BatchNorm2d),
    "group": lambda: convolutions(lambda channels: nn.GroupNorm(2, channels)),
    "layer": lambda: convolutions(ChannelLast),
    "instance": lambda: convolutions(
        lambda c: nn.InstanceNorm2d(c, affine=True, track_running_stats=True)
    ),
    "timm resnet": lambda: timm.create_model(
        "resnet10t", num_classes=0, channels=[8, 8, 8, 8], stem_width=8
    ),
    "timm convnext": lambda: timm.create_model(
        "convnext_atto", num_classes=0, depths=(1, 1, 1, 1), dims=(8, 8, 16, 16)
    ),
    "timm group resnet": lambda: timm.create_model(
        "resnet10t", num_classes=0, channels=[8, 8, 8, 8], stem_width=8, norm_layer="groupnorm1"
    ),
}


@pytest.fixture(params=NETWORKS)
def network(request):
    torch.manual_seed(0)
    return NETWORKS[request.param]().eval()


def slow_normalization_names(network):
    """Names found by class name alone, independently of the bank."""
    kinds = ("BatchNorm", "GroupNorm", "LayerNorm", "InstanceNorm")
    names = set()
    for prefix, module in network.named_modules():
        if any(base.__name__.startswith(kinds) for base in type(module).__mro__):
            own = [*dict(module.named_parameters(recurse=False))]
            own += [*dict(module.named_buffers(recurse=False))]
            names |= {f"{prefix}.{name}" for name in own if name != "num_batches_tracked"}
    return names


def slow_selection(network, select):
    """Names of what is selected, found by class names alone, independently of the bank."""
    every = {n for n in network.state_dict() if not n.endswith("num_batches_tracked")}
    norms = slow_normalization_names(network)
    affine = {n for n in norms if n.endswith(("weight", "bias"))}
    kinds = ("Conv2d", "Linear")
    modules = dict(network.named_modules())
    filters = {f"{n}.weight" for n, m in modules.items() if kinds_of(m) & set(kinds)}
    weights = dict(network.named_parameters())
    depthwise = {n for n in filters if n in weights and weights[n].shape[1:2] == (1,)}
    if select.startswith("low-rank-"):
        return norms | {n for n in every if n.endswith((".weight.0.up", ".weight.0.down"))}
    return {
        "nothing": set(), "statistics": norms - affine, "affine": affine, "normalization": norms,
        "masks": filters, "everything": every, "depthwise": norms | depthwise,
    }[select]  # fmt: skip


def kinds_of(module):
    return {base.__name__ for base in type(module).__mro__}


@pytest.mark.parametrize("select", KINDS)
def test_a_bank_holds_what_is_selected_and_nothing_else(network, select):
    bank = NormalizationBank(network, select)
    names = slow_selection(network, select)
    assert bank.live().keys() == bank.initial.keys() == names
    learnable = [p for n, p in network.named_parameters() if n in names]
    assert list(map(id, bank.parameters())) == list(map(id, learnable))


@pytest.mark.parametrize("select", KINDS)
def test_states_come_and_go_bit_for_bit_and_touch_nothing_else(network, select):
    network = network.to(memory_format=torch.channels_last)
    bank, held = NormalizationBank(network, select), {}
    untouched = copy.deepcopy(network.state_dict())
    for seed, task in enumerate(("b", "a"), start=1):
        disturb(network, select, seed)
        bank.store(task)
        held[task] = copy.deepcopy(network.state_dict())
        bank.load(None)
        assert same(network.state_dict(), untouched)
    if not bank.initial:
        assert bank.states == {}
        return
    other = NormalizationBank(copy.deepcopy(network), select)
    for task in ("b", "a", "b"):
        other.put(task, {name: value.clone() for name, value in bank.states[task].items()})
        for each in (bank, other):
            each.load(task)
            assert same(each.network.state_dict(), held[task])
            state = each.state(task)
            assert same(state, {name: held[task][name] for name in state})
    assert same(bank.initial, {name: untouched[name] for name in bank.initial})
    assert same(bank.state(None), bank.initial)
    changed = {name for name, value in held["a"].items() if not torch.equal(value, untouched[name])}
    assert changed <= slow_selection(network, select)
    assert changed


def same(first, second):
    return first.keys() == second.keys() and all(
        torch.equal(value, second[name]) for name, value in first.items()
    )


@pytest.mark.parametrize("select", ["everything", "masks"])
def test_states_keep_device_type_and_memory_format(select):
    network = convolutions(nn.BatchNorm2d).to(memory_format=torch.channels_last)
    bank = NormalizationBank(network, select)
    bank.store("a")
    bank.put("b", {name: value.contiguous() for name, value in bank.states["a"].items()})
    for state in (bank.initial, bank.state("a"), bank.state("b")):
        for name, value in bank.live().items():
            assert state[name].stride() == value.stride()
            assert (state[name].dtype, state[name].device) == (value.dtype, value.device)


def test_a_mask_is_one_bit_a_weight_and_zeroes_exactly_the_others():
    network = convolutions(nn.BatchNorm2d)
    bank = NormalizationBank(network, "masks")
    disturb(network, "masks", 1)
    bank.store("a")
    weight = bank.initial["0.weight"]
    assert bank.states["a"]["0.weight"].dtype == torch.uint8
    assert bank.states["a"]["0.weight"].shape == (-(-weight.numel() // 8),)
    kept = network[0].weight != 0
    assert 0 < kept.sum() < kept.numel()
    assert torch.equal(bank.state("a")["0.weight"], weight * kept)


def test_states_follow_a_change_of_the_network_and_packed_bits_stay():
    for select, dtype in (("normalization", torch.float64), ("masks", torch.uint8)):
        network = convolutions(nn.BatchNorm2d)
        bank = NormalizationBank(network, select)
        bank.store("a")
        network.double()
        bank.apply(lambda value: value.double())
        assert {value.dtype for value in bank.initial.values()} == {torch.float64}
        assert {value.dtype for value in bank.states["a"].values()} == {dtype}


def test_unknown_tasks_and_selections_are_named_with_those_that_are():
    bank = NormalizationBank(convolutions(nn.BatchNorm2d))
    bank.store("alpha")
    with pytest.raises(ConfigError, match=r"unknown task 'alpa'; did you mean 'alpha'\?"):
        bank.load("alpa")
    with pytest.raises(ConfigError, match=r"unknown selection 'mask'; did you mean 'masks'\?"):
        NormalizationBank(bank.network, "mask")


@pytest.mark.parametrize("change", ["missing", "surplus", "shape"])
def test_a_state_of_another_network_is_refused_before_anything_changes(change):
    bank = NormalizationBank(convolutions(nn.BatchNorm2d))
    bank.store("a")
    state, before = dict(bank.states["a"]), copy.deepcopy(bank.states)
    if change == "missing":
        del state["4.bias"]
    else:
        state |= {"4.bias": torch.zeros(5)} if change == "shape" else {"9.bias": torch.zeros(4)}
    with pytest.raises(WeightsError, match="of 'a' do not fit this network: 1 names or shapes"):
        bank.put("a", state)
    assert same(bank.states["a"], before["a"])


def test_batch_statistics_put_normalization_layers_alone_in_training_mode():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout()).eval()
    use_batch_statistics(network, True)
    assert [module.training for module in network] == [False, True, False]
    use_batch_statistics(network, False)
    assert not any(module.training for module in network)


def test_resnet18_has_the_papers_number_of_normalization_parameters():
    bank = NormalizationBank(timm.create_model("resnet18", num_classes=0))
    assert sum(parameter.numel() for parameter in bank.parameters()) == 9_600
    assert sum(value.numel() for value in bank.initial.values()) == 19_200

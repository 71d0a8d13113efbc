"""The normalization bank on batch, group and layer normalization networks."""

import copy

import pytest
import timm
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import nn

from tsniqa.errors import ConfigError, WeightsError
from tsniqa.model.normalization import (
    NormalizationBank,
    affine_parameters,
    normalization_layers,
    use_batch_statistics,
    write,
)


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


def disturb(network, seed):
    """Change what a task changes: affine parameters and running statistics."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for layer in normalization_layers(network).values():
            for name, value in [*layer.named_parameters(), *layer.named_buffers()]:
                if name != "num_batches_tracked":
                    value.copy_(torch.rand(value.shape, generator=generator) + 0.5)


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


def test_the_bank_holds_every_affine_parameter_and_statistic_and_nothing_else(network):
    bank = NormalizationBank(network)
    assert bank.initial.keys() == slow_normalization_names(network)
    assert bank.initial
    affine = {id(parameter) for parameter in affine_parameters(network)}
    named = {n: p for n, p in network.named_parameters() if id(p) in affine}
    assert named.keys() == {
        n for n in slow_normalization_names(network) if n.endswith(("weight", "bias"))
    }


def test_a_loaded_task_computes_what_the_network_computed_when_it_was_stored(network):
    images = torch.rand(2, 3, 40, 40, generator=torch.Generator().manual_seed(1))
    bank, outputs = NormalizationBank(network), {}
    with torch.inference_mode():
        outputs[None] = network(images)
        for seed, task in enumerate(("b", "a"), start=1):
            disturb(network, seed)
            bank.store(task)
            outputs[task] = network(images)
        assert not torch.equal(outputs["a"], outputs["b"])
        for task in ("b", None, "a", "b"):
            bank.load(task)
            assert torch.equal(network(images), outputs[task])


def test_swapping_leaves_everything_else_untouched(network):
    bank = NormalizationBank(network)
    disturb(network, 1)
    bank.store("a")
    before = copy.deepcopy(network.state_dict())
    bank.load(None)
    after = network.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == slow_normalization_names(network)


def test_a_swap_ends_with_the_block_even_if_it_fails(network):
    bank = NormalizationBank(network)
    bank.store("a")
    disturb(network, 2)
    present = copy.deepcopy(network.state_dict())
    with pytest.raises(RuntimeError, match="inside"), bank.swapped("a") as swapped:
        assert swapped is network
        live = bank.live()
        assert all(torch.equal(live[name], value) for name, value in bank.states["a"].items())
        raise RuntimeError("inside")
    assert all(torch.equal(present[name], v) for name, v in network.state_dict().items())


def test_stored_states_do_not_change_with_the_network(network):
    bank = NormalizationBank(network)
    bank.store("a")
    kept = copy.deepcopy(bank.states["a"])
    disturb(network, 3)
    for name, value in kept.items():
        assert torch.equal(bank.states["a"][name], value)
        assert torch.equal(bank.initial[name], value)


def test_files_bring_every_bit_back(network, tmp_path):
    bank = NormalizationBank(network)
    for seed, task in enumerate(("first", "second")):
        disturb(network, seed)
        bank.store(task)
    bank.save(tmp_path / "bank")
    assert {path.name for path in (tmp_path / "bank").iterdir()} == {
        "first.safetensors",
        "second.safetensors",
    }
    other = NormalizationBank(copy.deepcopy(network))
    other.restore(tmp_path / "bank")
    assert other.states.keys() == bank.states.keys()
    for task, state in bank.states.items():
        stored = load_file(tmp_path / "bank" / f"{task}.safetensors")
        for name, value in state.items():
            assert torch.equal(other.states[task][name], value)
            assert torch.equal(stored[name], value)


@given(seed=st.integers(0, 2**16), swaps=st.lists(st.sampled_from(["a", "b", None]), max_size=6))
def test_nested_swaps_unwind_in_order(seed, swaps):
    network = convolutions(nn.BatchNorm2d)
    bank = NormalizationBank(network)
    for offset, task in enumerate(("a", "b")):
        disturb(network, seed + offset)
        bank.store(task)
    bank.load(None)

    def descend(rest):
        before = {name: value.clone() for name, value in bank.live().items()}
        if rest:
            with bank.swapped(rest[0]):
                descend(rest[1:])
        assert all(torch.equal(before[name], value) for name, value in bank.live().items())

    descend(swaps)


def test_a_task_that_is_not_there_is_named_with_those_that_are():
    bank = NormalizationBank(convolutions(nn.BatchNorm2d))
    bank.store("alpha")
    with pytest.raises(ConfigError, match=r"unknown task 'alpa'; did you mean 'alpha'\?"):
        bank.load("alpa")
    with pytest.raises(ConfigError, match="valid tasks: alpha"), bank.swapped("beta"):
        pass


@pytest.mark.parametrize("change", ["missing", "surplus", "shape"])
def test_a_state_of_another_network_is_refused_before_anything_is_written(change):
    network = convolutions(nn.BatchNorm2d)
    bank = NormalizationBank(network)
    state = {name: torch.full_like(value, 9.0) for name, value in bank.initial.items()}
    if change == "missing":
        del state["4.bias"]
    elif change == "surplus":
        state["9.weight"] = torch.zeros(4)
    else:
        state["4.bias"] = torch.zeros(5)
    before = copy.deepcopy(network.state_dict())
    with pytest.raises(WeightsError, match="do not fit this network: 1 names or shapes differ"):
        write(bank.live(), state)
    assert all(torch.equal(before[name], v) for name, v in network.state_dict().items())


def test_files_of_another_network_and_broken_files_are_refused(tmp_path):
    bank = NormalizationBank(convolutions(nn.BatchNorm2d))
    bank.store("a")
    bank.save(tmp_path)
    with pytest.raises(WeightsError, match="use the backbone they were learned on"):
        NormalizationBank(convolutions(lambda c: nn.GroupNorm(2, c))).restore(tmp_path)
    (tmp_path / "a.safetensors").write_bytes(b"nothing of the kind")
    with pytest.raises(WeightsError, match=r"a\.safetensors is not a readable safetensors file"):
        bank.restore(tmp_path)


def test_batch_statistics_put_normalization_layers_alone_in_training_mode():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout()).eval()
    use_batch_statistics(network, True)
    assert [module.training for module in network] == [False, True, False]
    use_batch_statistics(network, False)
    assert not any(module.training for module in network)


def test_resnet18_has_the_papers_number_of_normalization_parameters():
    network = timm.create_model("resnet18", num_classes=0)
    assert sum(parameter.numel() for parameter in affine_parameters(network)) == 9_600
    assert sum(value.numel() for value in NormalizationBank(network).initial.values()) == 19_200

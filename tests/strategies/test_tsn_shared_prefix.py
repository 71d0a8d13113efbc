"""TSN with a shared prefix: the prefix runs once and stays as it was, and no score changes."""

import numpy as np
import pytest
import torch

from tsniqa.errors import ConfigError
from tsniqa.model.backbone import BackboneCard, load_backbone
from tsniqa.model.normalization import copied, normalization_tensors, write
from tsniqa.model.tsniqa import TSNIQA
from tsniqa.scoring.features import image_features
from tsniqa.strategies.tsn import TSN
from tsniqa.strategies.tsn_shared_prefix import Suffix, TSNSharedPrefix

BATCH = {"schedule.normalization.statistics": "batch"}
PREFIX = ("conv1.", "bn1.", "layer1.", "layer2.")


def learned(world, order=("alpha", "beta"), kind=TSNSharedPrefix, overrides=BATCH):
    plan = world.plan(order=order, overrides=overrides)
    strategy = kind(plan.setting)
    for step, task in enumerate(plan.tasks):
        strategy.learn(task, plan.tasks[:step])
    return plan, strategy


def calls(module):
    """Count the calls of a module from now on."""
    counted = []
    module.register_forward_hook(lambda *_: counted.append(1))
    return counted


def full_scores(plan, strategy, images, task):
    """Score with the whole network, run from its input under the task's normalization."""
    network = plan.setting.backbone.network
    before = copied(normalization_tensors(network))
    write(normalization_tensors(network), before | strategy.model.bank.states[task])
    try:
        features = image_features(plan.setting.backbone, images).head
    finally:
        write(normalization_tensors(network), before)
    return strategy.model.heads[task].score(features).detach().numpy()


def test_scores_are_exactly_those_of_the_whole_network(world):
    plan, strategy = learned(world)
    images = plan.setting.images(plan.tasks[0], "train").images
    scores = strategy.heads(images)
    for column, task in enumerate(["alpha", "beta"]):
        assert np.array_equal(scores[:, column], full_scores(plan, strategy, images, task))
    assert np.array_equal(strategy.heads(images, ["beta"]), scores[:, 1:])
    assert not np.array_equal(scores[:, 0], scores[:, 1])


def test_the_prefix_keeps_its_bits_while_the_suffix_learns(world):
    plan = world.plan(order=("alpha", "beta"), overrides=BATCH)
    network = plan.setting.backbone.network
    before = {name: value.clone() for name, value in network.state_dict().items()}
    strategy = TSNSharedPrefix(plan.setting)
    for step, task in enumerate(plan.tasks):
        strategy.learn(task, plan.tasks[:step])
    for task in ("alpha", "beta"):
        strategy.model.bank.load(task)
        live = network.state_dict()
        changed = {name for name, value in live.items() if not torch.equal(value, before[name])}
        assert changed >= {"layer3.0.bn1.weight", "layer4.0.bn2.running_mean"}
        assert not [name for name in changed if name.startswith(PREFIX)]
        assert not [name for name in changed if "conv" in name]
        states = strategy.model.bank.states[task]
        assert states and not [name for name in states if name.startswith(PREFIX)]
    assert strategy.filters_fingerprint() == plan.fingerprints["filters before"]


def test_a_batch_passes_the_prefix_once_however_many_tasks_there_are(world):
    plan, strategy = learned(world)
    network = plan.setting.backbone.network
    prefix, suffix = calls(network.layer2), calls(network.layer3)
    images = plan.setting.images(plan.tasks[0], "val").images
    assert len(images) <= 16  # one batch
    strategy.heads(images)
    assert (len(prefix), len(suffix)) == (1, 2)


def test_the_gate_is_tsns(world):
    plan, strategy = learned(world)
    _, tsn = learned(world, kind=TSN)
    images = plan.setting.images(plan.tasks[0], "test").images
    assert np.array_equal(strategy.distances(images), tsn.distances(images))


def test_a_task_costs_less_than_tsns(world):
    plan, strategy = learned(world, ("alpha",))
    suffix = {
        name: value.numel()
        for name, value in normalization_tensors(plan.setting.backbone.network).items()
        if not name.startswith(PREFIX)
    }
    affine = sum(size for name, size in suffix.items() if "running" not in name)
    count = strategy.parameters()
    assert count.learnable_per_task == affine + 32
    assert count.stored_per_task == sum(suffix.values()) + 32 + 5 * (24 + 32)


def test_order_does_not_matter_and_a_stored_state_goes_on(world):
    plan, strategy = learned(world)
    _, other = learned(world, ("beta", "alpha"))
    state = strategy.state()
    assert all(torch.equal(state[name], value) for name, value in other.state().items())
    fresh = TSNSharedPrefix(world.plan(order=("alpha", "beta"), overrides=BATCH).setting)
    fresh.load_state(state)
    images = plan.setting.images(plan.tasks[0], "test").images
    assert np.array_equal(fresh.heads(images), strategy.heads(images))


def test_the_saved_model_is_a_tsn_model(world, tmp_path):
    plan, strategy = learned(world)
    strategy.save(tmp_path / "model")
    images = plan.setting.images(plan.tasks[1], "test").images
    loaded = TSNIQA.load(tmp_path / "model")
    assert np.array_equal(loaded.head_scores(images), strategy.heads(images))
    assert np.array_equal(loaded.distances(images), strategy.distances(images))


def test_the_cache_of_reference_features_is_that_of_the_whole_network(world, tmp_path):
    plan = world.plan(order=("alpha",))
    plan.setting.feature_cache = tmp_path
    features = plan.setting.reference_features(plan.tasks[0], "train")
    (path,) = tmp_path.iterdir()
    strategy = TSNSharedPrefix(plan.setting)
    again = strategy.setting.reference_features(plan.tasks[0], "train")
    assert torch.equal(again.head, features.head)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("model", ["resnet18", "mobilenetv2_050"])
@pytest.mark.parametrize("head_feature", ["final", "stage"])
def test_other_networks_are_cut_before_the_gates_stages(model, head_feature):
    card = BackboneCard(
        name="other",
        model=model,
        weights="none",
        mean=(0.5,) * 3,
        std=(0.5,) * 3,
        head_feature=head_feature,
    )
    whole = load_backbone(card)
    suffix = Suffix(whole)
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (2, 3, 72, 56), generator=generator, dtype=torch.uint8)
    with torch.inference_mode():
        expected = whole.features(whole.preprocess(images))
        shared = suffix.preprocess(images)
        before = shared.clone()
        features = suffix.features(shared)
        assert torch.equal(shared, before)  # the next task may use it
    assert torch.equal(features.head, expected.head)
    assert all(torch.equal(a, b) for a, b in zip(features.gate, expected.gate, strict=True))
    every, own = (set(normalization_tensors(each.network)) for each in (whole, suffix))
    first = {"resnet18": "layer3.", "mobilenetv2_050": "blocks.3."}[model]
    assert own < every
    assert min(name for name in own if name.startswith(("layer", "blocks"))).startswith(first)
    assert suffix.filters_fingerprint() == whole.filters_fingerprint()


def test_a_network_without_a_stage_before_the_gates_cannot_be_cut(world):
    with pytest.raises(ConfigError, match="no stage comes before stage 0"):
        Suffix(world.backbone(stages=(0, 1)))

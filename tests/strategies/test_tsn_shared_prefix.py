"""TSN with a shared prefix: the prefix runs once and stays as it was, and no score changes."""

import numpy as np
import pytest
import torch

from tsniqa.errors import ConfigError
from tsniqa.model.backbone import BackboneCard, load_backbone
from tsniqa.model.normalization import NormalizationBank, normalization_layers
from tsniqa.scoring.features import image_features
from tsniqa.strategies.tsn_shared_prefix import Suffix

BATCH = {"schedule.normalization.bn_statistics": "batch"}
PREFIX = ("conv1.", "bn1.", "layer1.", "layer2.")


@pytest.fixture
def lessons(once):
    return once("tsn-shared-prefix", overrides=BATCH)


def calls(module):
    """Count the calls of a module from now on."""
    counted = []
    module.register_forward_hook(lambda *_: counted.append(1))
    return counted


def test_scores_are_exactly_those_of_the_whole_network(lessons, world):
    images = lessons.context.images(lessons.tasks[0], "test").images
    scores = lessons.scores()
    for column, task in enumerate(["alpha", "beta"]):
        whole = world.backbone()
        bank = NormalizationBank(whole.network)
        bank.put(task, bank.initial | lessons.model.bank.states[task])
        bank.load(task)
        expected = lessons.model.heads[task].score(image_features(whole, images).head)
        assert np.array_equal(scores[:, column], expected.detach().numpy())
    assert not np.array_equal(scores[:, 0], scores[:, 1])


def test_a_task_owns_and_moves_the_normalization_of_the_suffix_alone(lessons, world):
    bank = lessons.model.bank
    wanted = NormalizationBank(world.backbone().network).initial.keys()
    for task in ("alpha", "beta"):
        assert bank.states[task].keys() == {n for n in wanted if not n.startswith(PREFIX)}
        moved = {n for n, v in bank.states[task].items() if not torch.equal(v, bank.initial[n])}
        assert moved >= {"layer3.0.bn1.weight", "layer4.0.bn2.running_mean"}


def test_a_batch_passes_the_prefix_once_however_many_tasks_there_are(lessons):
    backbone = lessons.strategy.backbone
    prefix, suffix = calls(backbone.whole.network.layer2), calls(backbone.network.layer3)
    assert len(lessons.scores()) <= 16  # one batch
    assert (len(prefix), len(suffix)) == (1, 2)


def test_the_gate_is_tsns(lessons, once):
    tsn = once("tsn", overrides=BATCH)
    assert np.array_equal(lessons.distances(), tsn.distances())


def flat(features):
    return [*features.gate, features.head]


@pytest.mark.parametrize(
    ("model", "head_feature"), [("resnet18", "stage"), ("mobilenetv2_050", "multi")]
)
def test_other_networks_are_cut_before_the_gates_stages(model, head_feature):
    card = BackboneCard(
        name="other", model=model, weights="none", mean=(0.5,) * 3, std=(0.5,) * 3,
        head_feature=head_feature,
    )  # fmt: skip
    whole = load_backbone(card)
    suffix = Suffix(whole)
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (2, 3, 72, 56), generator=generator, dtype=torch.uint8)
    with torch.inference_mode():
        expected = whole(whole.preprocess(images))
        shared = suffix.preprocess(images)
        before = shared.clone()
        features = suffix(shared)
        assert torch.equal(shared, before)  # the next task may use it
    for cut, uncut in zip(flat(features), flat(expected), strict=True):
        assert torch.equal(cut, uncut)
    every, own = (set(normalization_layers(each.network)) for each in (whole, suffix))
    first = {"resnet18": "layer3.", "mobilenetv2_050": "blocks.3."}[model]
    assert own < every
    assert min(name for name in own if name.startswith(("layer", "blocks"))).startswith(first)
    assert suffix.filters_fingerprint() == whole.filters_fingerprint()
    with torch.no_grad():
        next(iter(suffix.network.parameters())).add_(1)
    assert suffix.filters_fingerprint() != whole.filters_fingerprint()  # it is the living one's


def test_a_network_without_a_stage_before_the_gates_cannot_be_cut(world):
    with pytest.raises(ConfigError, match="no stage comes before stage 0"):
        Suffix(world.backbone(stages=(0, 1)))

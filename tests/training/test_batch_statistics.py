"""Which epochs standardise by batches and collect statistics, and what is trained after that."""

import copy

import pytest
import torch

from learning import crop_schedule, images_of, learn_images
from tsniqa.model.normalization import normalization_layers
from tsniqa.training.trainer import pair_loss

MODES = {"kept": set(), "first-epoch": {1}, "batch": {1, 2, 3}}


def running(network):
    layers = normalization_layers(network).values()
    return torch.cat([value for one in layers for value in (one.running_mean, one.running_var)])


def affine(network):
    layers = normalization_layers(network).values()
    return torch.cat([value.detach() for one in layers for value in (one.weight, one.bias)])


@pytest.fixture
def watched(world, monkeypatch):
    """Learn three epochs and note of every batch what changed since the one before."""

    def learn(mode):
        backbone, notes = world.backbone(), []
        monkeypatch.setattr(type(world), "backbone", lambda _: backbone)
        last = [running(backbone.network), affine(backbone.network)]

        def loss(batch):
            with torch.no_grad():
                settled = copy.deepcopy(backbone).eval()(batch.inputs).head
            now = [running(backbone.network), affine(backbone.network)]
            notes.append(
                {
                    "epoch": batch.epoch,
                    "collected": not torch.equal(now[0], last[0]),
                    "trained": not torch.equal(now[1], last[1]),
                    "evaluated": torch.equal(batch.features.detach(), settled),
                }
            )
            last[:] = now
            return pair_loss(batch)

        learn_images(world, crop_schedule(epochs=3, bn_statistics=mode), loss=loss)
        assert [note["epoch"] for note in notes] == [1] * 3 + [2] * 3 + [3] * 3
        return notes

    return learn


@pytest.mark.parametrize("mode", MODES)
def test_statistics_are_collected_in_their_epochs_and_gamma_and_beta_learn_in_all(watched, mode):
    notes = watched(mode)
    for note in notes:
        by_batch = note["epoch"] in MODES[mode]
        assert note["collected"] == by_batch
        assert note["evaluated"] != by_batch
    assert [note["trained"] for note in notes] == [False] + [True] * 8


@pytest.mark.parametrize("mode", ["first-epoch", "batch"])
def test_collected_is_the_moving_average_of_what_a_layer_sees(world, mode):
    """The first normalization of one full batch: a tenth of the batch's, nine of what was."""
    inputs = []

    def loss(batch):
        inputs.append(batch.inputs)
        return 0 * pair_loss(batch)

    schedule = crop_schedule(epochs=1, batch=16, bn_statistics=mode, weight_decay=0.0)
    backbone, *_ = learn_images(world, schedule, loss=loss)
    before = world.backbone().network.conv1
    seen = before[0](inputs[0]).detach().double().transpose(0, 1).flatten(1)
    layer, old = backbone.network.conv1[1], before[1]
    for found, was, own in (
        (layer.running_mean, old.running_mean, seen.mean(1)),
        (layer.running_var, old.running_var, seen.var(1, unbiased=True)),
    ):
        torch.testing.assert_close(
            found.double(), 0.9 * was.double() + 0.1 * own, atol=1e-5, rtol=0
        )


def test_kept_statistics_of_two_tasks_are_those_of_the_reference(world):
    reference = running(world.backbone().network)
    for name in ("alpha", "beta"):
        train = images_of(world, "train", name)
        backbone, *_ = learn_images(world, crop_schedule(bn_statistics="kept"), train=train)
        assert torch.equal(running(backbone.network), reference)

"""Learning: rates, penalties, what moves and what stays."""

import copy
import math

import pytest
import torch
from torch import nn

from learning import (
    crop_schedule,
    head_schedule,
    images_of,
    labelled,
    learn_head,
    learn_images,
    new_head,
    relabelled,
)
from tsniqa.data.images import ImageSet
from tsniqa.metrics import srcc
from tsniqa.model.fidelity import fidelity_loss, thurstone
from tsniqa.model.normalization import normalization_layers
from tsniqa.scoring.features import image_features
from tsniqa.training.context import LabelledImages
from tsniqa.training.trainer import Epoch, pair_loss


@pytest.mark.parametrize("pairs", [None, 200], ids=["in batch", "drawn"])
def test_a_head_learns_a_learnable_toy(pairs):
    schedule = head_schedule(epochs=15, pairs=pairs)
    history = learn_head(new_head(), [labelled(60)], [labelled(30, seed=1)], schedule)
    assert history[-1].validation_srcc > 0.9 > history[0].validation_srcc + 0.3
    assert history[-1].loss < history[1].loss


def test_validation_is_measured_before_and_after_and_chooses_nothing():
    generator = torch.Generator().manual_seed(9)
    other = relabelled(labelled(30, seed=1), torch.rand(30, generator=generator))
    weights = []
    for sign in (1, -1, None):
        validation = [relabelled(other, sign * other[1].mos)] if sign else []
        head = new_head()
        first = srcc(head.score(other[0]).numpy(), other[1].mos.numpy())
        schedule = head_schedule(epochs=4, learning_rate=1.0, batch=4)
        history = learn_head(head, [labelled(24)], validation, schedule, seed=2)
        weights.append(head.weight.tolist())
        measured = [epoch.validation_srcc for epoch in history]
        last = srcc(head.score(other[0]).numpy(), other[1].mos.numpy())
        assert [epoch.epoch for epoch in history] == [0, 1, 2, 3, 4]
        assert all(map(math.isnan, measured[1:-1]))
        assert measured[:: len(measured) - 1] == [
            pytest.approx(sign * value if validation else math.nan, nan_ok=True)
            for value in (first, last)
        ]
    assert weights[0] == weights[1] == weights[2]


def test_the_rates_are_divided_by_ten_every_so_many_epochs(monkeypatch):
    rates, original, further = [], torch.optim.Adam.step, nn.Linear(2, 1)

    def spy(self, *arguments, **keywords):
        rates.append([group["lr"] for group in self.param_groups])
        return original(self, *arguments, **keywords)

    monkeypatch.setattr(torch.optim.Adam, "step", spy)
    schedule = head_schedule(epochs=5, batch=100, learning_rate=0.2, decay_every=2)
    data = [labelled(10)], [labelled(9, seed=1)]
    learn_head(new_head(), *data, schedule, companions=[(further, 0.4)])
    assert rates == [
        [pytest.approx(rate * factor) for rate in (0.2, 0.2, 0.4)]
        for factor in (1, 1, 0.1, 0.1, 0.01)
    ]


def test_the_first_step_equals_adam_written_out_by_hand():
    """One full batch: the gradient of the mean fidelity loss, by finite differences."""
    (features, images), head = labelled(6, width=3), new_head(3)
    before = head.weight.detach().double().clone()

    def loss(weight):
        scores = features.double() @ weight
        terms = []
        for i in range(6):
            for j in range(i + 1, 6):
                target = torch.tensor(float(images.mos[i] >= images.mos[j])).double()
                terms.append(fidelity_loss(thurstone(scores[i], scores[j]), target))
        return torch.stack(terms).mean()

    gradient = torch.zeros(3).double()
    for k in range(3):
        shift = torch.zeros(3).double()
        shift[k] = 1e-5
        gradient[k] = (loss(before + shift) - loss(before - shift)) / 2e-5
    gradient += 0.01 * before  # weight decay, as an L2 penalty
    expected = before - 0.05 * gradient / (gradient.abs() + 1e-8)  # Adam's first step
    schedule = head_schedule(epochs=1, batch=6, learning_rate=0.05, weight_decay=0.01)
    history = learn_head(head, [(features, images)], [labelled(60, width=3, seed=1)], schedule)
    torch.testing.assert_close(head.weight.detach().double(), expected, rtol=0, atol=1e-5)
    assert history[1].loss == pytest.approx(float(loss(before)), abs=1e-6)


def test_a_penalty_of_the_heads_own_holds_the_head_alone(world):
    """Without a loss Adam's first step is as long as the rate where there is a penalty, else 0."""

    def moved(head_decay, own):
        nothing = {"loss": lambda batch: 0 * pair_loss(batch), "head_decay": head_decay}
        schedule = crop_schedule(epochs=1, batch=16, weight_decay=own)
        backbone, head, _ = learn_images(world, schedule, **nothing)
        gamma, before = (one.network.layer1[0].bn1.weight for one in (backbone, world.backbone()))
        head, first = head.weight.detach(), new_head(32).weight.detach()
        return [float((one - two).abs().max()) for one, two in ((gamma, before), (head, first))]

    rates = pytest.approx(0.01, rel=1e-3), pytest.approx(0.1, rel=1e-3)
    assert moved(None, 0.5) == [*rates]
    assert moved(0.0, 0.5) == [rates[0], 0]
    assert moved(0.5, 0.0) == [0, rates[1]]


def test_validation_is_the_mean_over_tasks_and_pairs_never_cross_them():
    """Labels of the second task lie far above the first's: a crossing pair would show."""
    first, second = labelled(30), labelled(30, seed=1)
    results = []
    for shift in (0, 100):
        head, other = new_head(), relabelled(second, second[1].mos + shift)
        history = learn_head(head, [first, other], [first, other], head_schedule(), seed=3)
        results.append([e.validation_srcc for e in history])
        values = [
            srcc(head.score(features).detach().numpy(), images.mos.numpy())
            for features, images in (first, other)
        ]
        assert results[-1][-1] == pytest.approx(sum(values) / 2)
    assert results[0] == pytest.approx(results[1], abs=1e-6, nan_ok=True)


@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")
@pytest.mark.parametrize("pairs", [None, 20])
def test_tied_labels_teach_nothing(pairs):
    head = new_head()
    before = head.weight.detach().clone()
    schedule = head_schedule(epochs=1, pairs=pairs, learning_rate=0.01)
    tied = relabelled(labelled(12), torch.ones(12))
    history = learn_head(head, [tied], [labelled(9, seed=1)], schedule)
    assert torch.equal(head.weight, before)
    assert math.isnan(history[1].loss)


@pytest.mark.parametrize("statistics", ["kept", "batch", "first-epoch"])
def test_only_the_given_parameters_and_statistics_move(world, statistics):
    before = world.backbone().network.state_dict()
    backbone, _, _ = learn_images(world, crop_schedule(bn_statistics=statistics))
    after = backbone.network.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert {name.rsplit(".", 1)[0] for name in changed} <= {*normalization_layers(backbone.network)}
    kinds = {name.rsplit(".", 1)[1] for name in changed}
    learned = {"running_mean", "running_var", "num_batches_tracked"}
    assert kinds == {"weight", "bias"} | (set() if statistics == "kept" else learned)


def test_the_network_is_frozen_again_even_if_learning_fails(world, tmp_path):
    broken = LabelledImages(ImageSet([tmp_path / "none.png"] * 6, None), torch.arange(6.0))
    for part in ("train", "held"):
        with pytest.raises(Exception, match="missing"):
            learn_images(world, crop_schedule(), **{part: broken})  # which checks the network


def test_learning_from_images_depends_on_its_seed_alone(world):
    def learned(seed, stream):
        torch.manual_seed(stream)
        _, head, history = learn_images(world, crop_schedule(), seed)
        return [e.loss for e in history], history[-1].validation_srcc, head.weight.tolist()

    assert learned(5, 1) == learned(5, 2) != learned(6, 1)


def test_validation_scores_are_those_of_full_images_in_evaluation_mode(world):
    backbone, head, history = learn_images(world, crop_schedule(bn_statistics="batch"))
    images, mos, *_ = images_of(world, "val")
    scores = head.score(image_features(backbone, images).head).detach()
    assert srcc(scores.numpy(), mos.numpy()) == history[-1].validation_srcc


def test_the_loss_and_what_follows_a_step_are_the_callers(world):
    """A loss that pulls the weight to one, and a note of it after every step."""
    head, notes, batches = new_head(), [], []

    def loss(batch):
        batches.append(batch)
        return ((batch.head.weight - 1) ** 2).sum() + 0 * pair_loss(batch)

    schedule = head_schedule(epochs=40, batch=20, decay_every=100)
    note = lambda: notes.append(copy.deepcopy(head.weight.detach()))  # noqa: E731
    data = [labelled(40)], [labelled(9, seed=1)]
    learn_head(head, *data, schedule, loss=loss, after_step=note)
    assert len(notes) == len(batches) == 80
    assert torch.equal(notes[-1], head.weight)
    assert (head.weight - 1).abs().max() < 0.05
    assert batches[0].features.shape == (20, 12)
    assert batches[0].inputs is None


def test_an_epoch_without_a_value_survives_its_file():
    epoch = Epoch(step="head", epoch=1, loss=None, validation_srcc=float("nan"))
    again = Epoch.model_validate_json(epoch.model_dump_json())
    assert math.isnan(again.validation_srcc)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_learning_on_a_gpu_brings_the_head_back(world):
    _, head, history = learn_images(world, crop_schedule(), device="cuda")
    assert head.weight.device.type == "cpu"
    assert math.isfinite(history[-1].validation_srcc)
    assert all(math.isfinite(epoch.loss) for epoch in history[1:])

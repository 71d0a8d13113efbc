"""Learning: schedules, the best state, what moves and what stays."""

import copy
import math

import pytest
import torch
from torch import nn
from torch.nn.functional import normalize

from tsniqa.data.images import ImageSet
from tsniqa.errors import ConfigError
from tsniqa.metrics import srcc
from tsniqa.model.fidelity import fidelity_loss, thurstone
from tsniqa.model.heads import LinearHead
from tsniqa.model.normalization import SELECTIONS, normalization_layers
from tsniqa.scoring.features import image_features
from tsniqa.training.context import LabelledImages
from tsniqa.training.schedules import FinetuneSchedule, HeadSchedule
from tsniqa.training.trainer import Epoch, Source, fit, pair_loss


def head_schedule(**fields):
    defaults = {"epochs": 5, "batch": 16, "learning_rate": 0.1, "decay_every": 10}
    return HeadSchedule(**(defaults | {"weight_decay": 0.0} | fields))


def crop_schedule(**fields):
    defaults = {"epochs": 2, "batch": 6, "learning_rate": 0.01, "decay_every": 10, "crop": 24}
    more = {"head_learning_rate": 0.1, "statistics": "kept"}
    return FinetuneSchedule(**(defaults | more | fields))


def new_head(width=12, seed=4):
    return LinearHead(width, torch.Generator().manual_seed(seed))


def labelled(count, width=12, seed=0, task=""):
    """Unit features whose labels follow a hidden direction, so that a head can learn them."""
    generator = torch.Generator().manual_seed(seed)
    features = normalize(torch.randn(count, width, generator=generator), dim=1)
    return features, LabelledImages(None, features @ torch.linspace(-1, 1, width), task)


def relabelled(data, mos):
    return data[0], data[1]._replace(mos=mos)


def learn_head(head, train, validation, schedule, seed=0, **more):
    """Train a head on features."""

    def sources(data):
        return [Source(images, head, features) for features, images in data]

    backbone = nn.Identity()
    return fit("head", schedule, backbone, sources(train), sources(validation), seed, **more)


def images_of(world, part, name="alpha"):
    task = world.task(name)
    mos = torch.tensor(task.mos(part), dtype=torch.float32)
    return LabelledImages(ImageSet(task.paths(part), None), mos)


def learn_images(world, schedule, seed=1, device="cpu", train=None):
    """Train a head and gamma and beta on crops of the task alpha."""
    backbone, head = world.backbone().to(device), new_head(32)
    sources = [Source(one, head) for one in (train or images_of(world, "train"),)]
    validation = [Source(images_of(world, "val"), head)]
    parameters = list(SELECTIONS["affine"](backbone.network).values())
    try:
        history = fit("images", schedule, backbone, sources, validation, seed, parameters)
    finally:
        assert not any(parameter.requires_grad for parameter in backbone.parameters())
        assert not any(module.training for module in backbone.modules())
    return backbone, head, history


@pytest.mark.parametrize("pairs", [None, 200], ids=["in batch", "drawn"])
def test_a_head_learns_a_learnable_toy(pairs):
    schedule = head_schedule(epochs=15, pairs=pairs)
    history = learn_head(new_head(), [labelled(60)], [labelled(30, seed=1)], schedule)
    assert history[-1].validation_srcc > 0.9 > history[0].validation_srcc + 0.3
    assert history[-1].loss < history[1].loss


@pytest.mark.parametrize("keep", ["best", "last"])
def test_the_best_state_is_kept_unless_the_schedule_says_the_last(keep):
    generator = torch.Generator().manual_seed(9)
    other = relabelled(labelled(30, seed=1), torch.rand(30, generator=generator))
    head = new_head()
    schedule = head_schedule(epochs=12, learning_rate=1.0, batch=4, keep=keep)
    history = learn_head(head, [labelled(24)], [other], schedule, seed=2)
    qualities = [epoch.validation_srcc for epoch in history]
    assert qualities[-1] < max(qualities)
    reached = srcc(head.score(other[0]).detach().numpy(), other[1].mos.numpy())
    assert reached == (max(qualities) if keep == "best" else qualities[-1])


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
    schedule = head_schedule(epochs=1, batch=6, learning_rate=0.05, weight_decay=0.01, keep="last")
    history = learn_head(head, [(features, images)], [labelled(60, width=3, seed=1)], schedule)
    torch.testing.assert_close(head.weight.detach().double(), expected, rtol=0, atol=1e-5)
    assert history[1].loss == pytest.approx(float(loss(before)), abs=1e-6)


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
        assert max(results[-1]) == pytest.approx(sum(values) / 2)
    assert results[0] == pytest.approx(results[1], abs=1e-6)


@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")
@pytest.mark.parametrize("pairs", [None, 20])
def test_batches_of_tied_labels_teach_nothing_in_batch_and_something_drawn(pairs):
    head = new_head()
    before = head.weight.detach().clone()
    schedule = head_schedule(epochs=1, pairs=pairs, learning_rate=0.01, keep="last")
    tied = relabelled(labelled(12), torch.ones(12))
    history = learn_head(head, [tied], [labelled(9, seed=1)], schedule)
    assert torch.equal(head.weight, before) == (pairs is None)
    assert math.isnan(history[1].loss) == (pairs is None)


@pytest.mark.parametrize("statistics", ["kept", "batch"])
def test_only_the_given_parameters_and_statistics_move(world, statistics):
    before = world.backbone().network.state_dict()
    backbone, _, _ = learn_images(world, crop_schedule(statistics=statistics, keep="last"))
    after = backbone.network.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert {name.rsplit(".", 1)[0] for name in changed} <= {*normalization_layers(backbone.network)}
    kinds = {name.rsplit(".", 1)[1] for name in changed}
    learned = {"running_mean", "running_var", "num_batches_tracked"}
    assert kinds == {"weight", "bias"} | (learned if statistics == "batch" else set())


def test_the_network_is_frozen_again_even_if_learning_fails(world, tmp_path):
    broken = LabelledImages(ImageSet([tmp_path / "none.png"] * 6, None), torch.arange(6.0))
    with pytest.raises(Exception, match="missing"):
        learn_images(world, crop_schedule(), train=broken)  # which checks the network


def test_learning_from_images_depends_on_its_seed_alone(world):
    def learned(seed, stream):
        torch.manual_seed(stream)
        _, head, history = learn_images(world, crop_schedule(keep="last"), seed)
        return [(e.loss, e.validation_srcc) for e in history], head.weight.tolist()

    assert learned(5, 1) == learned(5, 2) != learned(6, 1)


def test_validation_scores_are_those_of_full_images_in_evaluation_mode(world):
    backbone, head, history = learn_images(world, crop_schedule(statistics="batch"))
    images, mos, _ = images_of(world, "val")
    scores = head.score(image_features(backbone, images).head).detach()
    assert srcc(scores.numpy(), mos.numpy()) == max(epoch.validation_srcc for epoch in history)


def test_the_loss_and_what_follows_a_step_are_the_callers(world):
    """A loss that pulls the weight to one, and a note of it after every step."""
    head, notes, batches = new_head(), [], []

    def loss(batch):
        batches.append(batch)
        return ((batch.head.weight - 1) ** 2).sum() + 0 * pair_loss(batch)

    schedule = head_schedule(epochs=40, batch=20, keep="last", decay_every=100)
    note = lambda: notes.append(copy.deepcopy(head.weight.detach()))  # noqa: E731
    data = [labelled(40)], [labelled(9, seed=1)]
    learn_head(head, *data, schedule, loss=loss, after_step=note)
    assert len(notes) == len(batches) == 80
    assert torch.equal(notes[-1], head.weight)
    assert (head.weight - 1).abs().max() < 0.05
    assert batches[0].features.shape == (20, 12)
    assert batches[0].inputs is None


def test_an_epoch_without_a_value_survives_its_file():
    epoch = Epoch(step="head", epoch=1, loss=None, validation_srcc=float("nan"), seconds=0.1)
    again = Epoch.model_validate_json(epoch.model_dump_json())
    assert math.isnan(again.validation_srcc)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_learning_on_a_gpu_brings_the_head_back(world):
    _, head, history = learn_images(world, crop_schedule(), device="cuda")
    assert head.weight.device.type == "cpu"
    assert all(math.isfinite(epoch.validation_srcc) for epoch in history)


class TestPairsPerTask:
    def test_one_number_none_or_a_number_a_task(self):
        assert head_schedule(pairs=None).pairs_of("alpha") is None
        assert head_schedule(pairs=7).pairs_of("alpha") == 7
        assert head_schedule(pairs={"alpha": 3, "beta": 5}).pairs_of("beta") == 5

    def test_a_task_without_a_number_is_named(self):
        with pytest.raises(ConfigError, match=r"no number for task 'gamma'.*only for alpha, beta"):
            head_schedule(pairs={"alpha": 3, "beta": 5}).pairs_of("gamma")

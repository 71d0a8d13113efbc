"""Learning: schedules, the best state, what moves and what stays."""

import copy
import math

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from tsniqa.data.images import ImageSet
from tsniqa.errors import ConfigError
from tsniqa.metrics import srcc
from tsniqa.model.fidelity import fidelity_loss, thurstone
from tsniqa.model.heads import LinearHead
from tsniqa.model.normalization import affine_parameters, normalization_layers
from tsniqa.scoring.features import image_features
from tsniqa.training.schedules import HeadStep, ImageStep
from tsniqa.training.trainer import (
    Epoch,
    LabelledFeatures,
    LabelledImages,
    learn_head,
    learn_images,
    warm_up,
)


def head_step(**fields):
    defaults = {"epochs": 5, "batch": 16, "learning_rate": 0.1, "decay_every": 10}
    return HeadStep(**(defaults | {"weight_decay": 0.0} | fields))


def image_step(**fields):
    defaults = {"epochs": 2, "batch": 6, "learning_rate": 0.01, "decay_every": 10, "crop": 24}
    more = {"head_learning_rate": 0.1, "statistics": "kept"}
    return ImageStep(**(defaults | more | fields))


def labelled(count, width=12, seed=0):
    """Unit features whose labels follow a hidden direction, so that a head can learn them."""
    generator = torch.Generator().manual_seed(seed)
    features = normalize(torch.randn(count, width, generator=generator), dim=1)
    direction = torch.linspace(-1, 1, width)
    return LabelledFeatures(features, features @ direction)


def new_head(width=12, seed=4):
    return LinearHead(width, torch.Generator().manual_seed(seed))


def images_of(world, name, part):
    task = world.task(name)
    mos = torch.tensor(task.mos(part), dtype=torch.float32)
    return LabelledImages(ImageSet(task.paths(part), None), mos)


@pytest.mark.parametrize("pairs", [None, 200], ids=["in batch", "drawn"])
def test_a_head_learns_a_learnable_toy(pairs):
    head = new_head()
    history = learn_head(
        head, [labelled(60)], [labelled(30, seed=1)], head_step(epochs=15, pairs=pairs), seed=0
    )
    assert history[-1].validation_srcc > 0.9 > history[0].validation_srcc + 0.3
    assert history[-1].loss < history[1].loss


def test_normalization_raises_the_validation_srcc_of_a_learnable_task(world):
    backbone, head = world.backbone(), new_head(32)
    train, validation = (images_of(world, "alpha", part) for part in ("train", "val"))
    history = learn_images(
        backbone,
        head,
        affine_parameters(backbone.network),
        [train],
        [validation],
        image_step(epochs=4),
        seed=1,
    )
    assert max(epoch.validation_srcc for epoch in history) > history[0].validation_srcc + 0.3


def test_the_best_state_is_kept_and_not_the_last():
    features, generator = labelled(30, seed=1).features, torch.Generator().manual_seed(9)
    validation = LabelledFeatures(features, torch.rand(30, generator=generator))  # another task
    head = new_head()
    step = head_step(epochs=12, learning_rate=1.0, batch=4)
    history = learn_head(head, [labelled(24)], [validation], step, seed=2)
    qualities = [epoch.validation_srcc for epoch in history]
    assert qualities[-1] < max(qualities)
    reached = srcc(head.score(validation.features).detach().numpy(), validation.mos.numpy())
    assert reached == max(qualities)


def test_a_step_that_only_hurts_leaves_the_state_bit_for_bit():
    head = new_head()
    train, validation = labelled(40), labelled(30, seed=1)
    learn_head(head, [train], [validation], head_step(epochs=20), seed=0)
    before = head.weight.detach().clone()
    inverted = LabelledFeatures(train.features, -train.mos)
    learn_head(head, [inverted], [validation], head_step(epochs=3, learning_rate=1.0), seed=0)
    assert torch.equal(head.weight, before)


def test_no_epochs_change_nothing_but_say_where_one_stands():
    head = new_head()
    before = head.weight.detach().clone()
    history = learn_head(head, [labelled(9)], [labelled(9, seed=1)], head_step(epochs=0), seed=0)
    assert [(epoch.epoch, epoch.loss) for epoch in history] == [(0, None)]
    assert torch.equal(head.weight, before)


def test_the_rate_is_divided_by_ten_every_so_many_epochs(monkeypatch):
    rates = []
    original = torch.optim.Adam.step

    def spy(self, *arguments, **keywords):
        rates.append([group["lr"] for group in self.param_groups])
        return original(self, *arguments, **keywords)

    monkeypatch.setattr(torch.optim.Adam, "step", spy)
    step = head_step(epochs=5, batch=100, learning_rate=0.2, decay_every=2)
    learn_head(new_head(), [labelled(10)], [labelled(9, seed=1)], step, seed=0)
    assert [pytest.approx(0.2 * factor) for factor in (1, 1, 0.1, 0.1, 0.01)] == [
        rate for (rate,) in rates
    ]


def test_the_first_step_equals_adam_written_out_by_hand():
    """One full batch: the gradient of the mean fidelity loss, by finite differences."""
    train, head = labelled(6, width=3), new_head(3)
    before = head.weight.detach().double().clone()

    def loss(weight):
        scores = train.features.double() @ weight
        terms = []
        for i in range(6):
            for j in range(i + 1, 6):
                target = torch.tensor(float(train.mos[i] >= train.mos[j])).double()
                terms.append(fidelity_loss(thurstone(scores[i], scores[j]), target))
        return torch.stack(terms).mean()

    gradient = torch.zeros(3).double()
    for k in range(3):
        shift = torch.zeros(3).double()
        shift[k] = 1e-5
        gradient[k] = (loss(before + shift) - loss(before - shift)) / 2e-5
    gradient += 0.01 * before  # weight decay, as an L2 penalty
    expected = before - 0.05 * gradient / (gradient.abs() + 1e-8)  # Adam's first step
    step = head_step(epochs=1, batch=6, learning_rate=0.05, weight_decay=0.01)
    probes = labelled(60, width=3, seed=1).features
    better = LabelledFeatures(probes, probes @ expected.float())
    history = learn_head(head, [train], [better], step, seed=0)
    assert history[1].validation_srcc == 1.0
    torch.testing.assert_close(head.weight.detach().double(), expected, rtol=0, atol=1e-5)
    assert history[1].loss == pytest.approx(float(loss(before)), abs=1e-6)


def test_validation_is_the_mean_over_tasks_and_pairs_never_cross_them():
    """Labels of the second task lie far above the first's: a crossing pair would show."""
    first, second = labelled(30), labelled(30, seed=1)
    second = LabelledFeatures(second.features, second.mos + 100)
    apart = [LabelledFeatures(second.features, second.mos - 100)]
    results = []
    for other in (second, *apart):
        head = new_head()
        history = learn_head(head, [first, other], [first, other], head_step(), seed=3)
        results.append(([e.validation_srcc for e in history], head.weight.detach().clone()))
        values = [
            srcc(head.score(v.features).detach().numpy(), v.mos.numpy()) for v in (first, other)
        ]
        assert max(results[-1][0]) == pytest.approx(sum(values) / 2)
    assert results[0][0] == results[1][0]
    assert torch.equal(results[0][1], results[1][1])


@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")
@pytest.mark.parametrize("pairs", [None, 20])
def test_batches_of_tied_labels_teach_nothing_in_batch_and_something_drawn(pairs):
    train, head = labelled(12), new_head()
    before = head.weight.detach().clone()
    tied = LabelledFeatures(train.features, torch.ones(12))
    better = []
    step = head_step(epochs=1, pairs=pairs, learning_rate=0.01)

    class Spy(LinearHead):
        def score(self, features):
            better.append(self.weight.detach().clone())
            return super().score(features)

    spy = Spy(12)
    spy.load_state_dict(head.state_dict())
    history = learn_head(spy, [tied], [labelled(9, seed=1)], step, seed=0)
    moved = not torch.equal(better[-1], before)
    assert moved == (pairs is not None)
    assert math.isnan(history[1].loss) == (pairs is None)


@pytest.mark.parametrize("statistics", ["kept", "batch"])
def test_only_the_given_parameters_and_statistics_move(world, statistics):
    backbone, head = world.backbone(), new_head(32)
    before = copy.deepcopy(backbone.network.state_dict())
    train = images_of(world, "alpha", "train")
    learn_images(
        backbone,
        head,
        affine_parameters(backbone.network),
        [train],
        [images_of(world, "alpha", "val")],
        image_step(statistics=statistics),
        seed=1,
    )
    after = backbone.network.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    layers = normalization_layers(backbone.network)
    assert {name.rsplit(".", 1)[0] for name in changed} <= layers.keys()
    kinds = {name.rsplit(".", 1)[1] for name in changed}
    statistic_names = {"running_mean", "running_var", "num_batches_tracked"}
    assert kinds == {"weight", "bias"} | (statistic_names if statistics == "batch" else set())
    assert not any(p.requires_grad for p in backbone.network.parameters())
    assert not any(module.training for module in backbone.network.modules())


def test_the_network_is_frozen_again_even_if_learning_fails(world, tmp_path):
    backbone = world.backbone()
    broken = LabelledImages(ImageSet([tmp_path / "none.png"] * 6, None), torch.arange(6.0))
    with pytest.raises(Exception, match="missing"):
        learn_images(
            backbone,
            new_head(32),
            affine_parameters(backbone.network),
            [broken],
            [images_of(world, "alpha", "val")],
            image_step(),
            seed=0,
        )
    assert not any(parameter.requires_grad for parameter in backbone.parameters())
    assert not any(module.training for module in backbone.network.modules())


def test_learning_from_images_depends_on_its_seed_alone(world):
    def learned(seed):
        backbone, head = world.backbone(), new_head(32)
        torch.manual_seed(np.random.default_rng().integers(2**31))
        parts = [[images_of(world, "alpha", part)] for part in ("train", "val")]
        affine = affine_parameters(backbone.network)
        history = learn_images(backbone, head, affine, *parts, image_step(), seed)
        return [(e.loss, e.validation_srcc) for e in history], head.weight.detach()

    first, second, other = learned(5), learned(5), learned(6)
    assert first[0] == second[0]
    assert torch.equal(first[1], second[1])
    assert first[0] != other[0]


def test_validation_scores_are_those_of_full_images_in_evaluation_mode(world):
    backbone, head = world.backbone(), new_head(32)
    validation = images_of(world, "alpha", "val")
    history = learn_images(
        backbone,
        head,
        affine_parameters(backbone.network),
        [images_of(world, "alpha", "train")],
        [validation],
        image_step(statistics="batch"),
        seed=1,
    )
    with torch.inference_mode():
        scores = head.score(image_features(backbone, validation.images).head)
    best = max(epoch.validation_srcc for epoch in history)
    assert srcc(scores.numpy(), validation.mos.numpy()) == best


@pytest.mark.parametrize(
    "fields", [{"epochs": -1}, {"batch": 1}, {"learning_rate": 0}, {"decay_every": 0}, {"pairs": 0}]
)
def test_a_schedule_out_of_range_is_refused(fields):
    with pytest.raises(ValueError, match=next(iter(fields))):
        head_step(**fields)


def test_an_epoch_without_a_value_survives_its_file():
    epoch = Epoch(step="head", epoch=1, loss=None, validation_srcc=float("nan"), seconds=0.1)
    again = Epoch.model_validate_json(epoch.model_dump_json())
    assert math.isnan(again.validation_srcc)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_learning_on_a_gpu_brings_the_head_back(world):
    backbone, head = world.backbone().to("cuda"), new_head(32)
    parts = [[images_of(world, "alpha", part)] for part in ("train", "val")]
    affine = affine_parameters(backbone.network)
    history = learn_images(backbone, head, affine, *parts, image_step(), seed=1)
    assert head.weight.device.type == "cpu"
    assert all(math.isfinite(epoch.validation_srcc) for epoch in history)


class TestPairsPerTask:
    def test_one_number_none_or_a_number_a_task(self):
        assert head_step(pairs=None).pairs_of("alpha") is None
        assert head_step(pairs=7).pairs_of("alpha") == 7
        assert head_step(pairs={"alpha": 3, "beta": 5}).pairs_of("beta") == 5

    def test_a_task_without_a_number_is_named(self):
        with pytest.raises(ConfigError, match=r"no number for task 'gamma'.*only for alpha, beta"):
            head_step(pairs={"alpha": 3, "beta": 5}).pairs_of("gamma")

    def test_each_task_is_shown_its_number_of_pairs(self):
        counts = {"one": 12, "two": 30}
        train = [labelled(20)._replace(task="one"), labelled(20, seed=1)._replace(task="two")]
        seen = {"one": 0, "two": 0}

        class Counting(LinearHead):
            def forward(self, features):
                if features.shape[0] < 20:  # a batch, not the validation
                    own = (features[0] == train[0].features).all(dim=1).any()
                    seen["one" if own else "two"] += len(features) // 2
                return super().forward(features)

        step = head_step(epochs=1, batch=4, pairs=counts)
        head = Counting(12, torch.Generator().manual_seed(4))
        learn_head(head, train, [labelled(30, seed=2)], step, seed=0)
        assert seen == counts


class TestWarmUp:
    def test_on_features_is_learning_the_head(self, world):
        train, validation = labelled(24), labelled(12, seed=1)
        heads = [new_head(), new_head()]
        first = warm_up(
            world.backbone(), heads[0], ([], []), lambda: ([train], [validation]), head_step(), 3
        )
        second = learn_head(heads[1], [train], [validation], head_step(), 3)
        assert torch.equal(heads[0].weight, heads[1].weight)
        assert [e.validation_srcc for e in first] == [e.validation_srcc for e in second]

    def test_on_crops_moves_the_head_and_nothing_else(self, world):
        backbone, head = world.backbone(), new_head(32)
        before = {k: v.clone() for k, v in backbone.network.state_dict().items()}
        weight = head.weight.detach().clone()
        parts = [[images_of(world, "alpha", part)] for part in ("train", "val")]

        def features():
            raise AssertionError("learning on crops needs no stored features")

        history = warm_up(backbone, head, parts, features, image_step(epochs=3), seed=1)
        assert not torch.equal(head.weight, weight)
        assert all(torch.equal(v, before[k]) for k, v in backbone.network.state_dict().items())
        assert {epoch.step for epoch in history} == {"head"}
        assert [epoch.epoch for epoch in history] == [0, 1, 2, 3]

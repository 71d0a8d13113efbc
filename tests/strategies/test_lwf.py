"""LwF and iCaRL: old heads are held to what they said, of new images or of remembered ones."""

import copy
import math

import numpy as np
import pytest
import torch

from tsniqa.model.fidelity import fidelity_loss, thurstone
from tsniqa.strategies.icarl_v1 import ICaRLv1
from tsniqa.strategies.icarl_v2 import ICaRLv2
from tsniqa.strategies.lwf import LwF
from tsniqa.training.pairs import PairBatch
from tsniqa.training.trainer import Batch, pair_loss

PAIRS = PairBatch(
    0, torch.arange(5), torch.tensor([0, 0, 1, 3]), torch.tensor([1, 4, 2, 2]),
    torch.tensor([1.0, 0, 1, 1]),
)  # fmt: skip


class Case:
    """Step two of gamma, prepared after alpha and beta; a batch of five images of gamma.

    Heads are large, so that probabilities are not all near one half.
    """

    def __init__(self, learn, once, world, method, weight, **own):
        lessons = once(method, ("alpha", "beta"))
        self.strategy = learn(method, (), weight=weight, **own).strategy
        self.strategy.load_state(lessons.state)
        self.strategy.start()
        self.task, self.seen = world.task("gamma"), lessons.tasks
        for head in self.old:
            head.weight.data *= 10
        self.head = copy.deepcopy(self.old[0])
        self.before = copy.deepcopy((self.strategy.backbone, self.old))
        self.strategy.before_task(self.task, self.seen)
        images = self.strategy.context.images(self.task, "train").images
        self.inputs = self.strategy.backbone.preprocess(torch.stack([images[i] for i in range(5)]))

    @property
    def old(self):
        return [self.strategy.model.heads[name] for name in ("alpha", "beta")]

    def change(self):
        """Let the living network and an old head move on."""
        generator = torch.Generator().manual_seed(9)
        with torch.no_grad():
            for value in self.strategy.backbone.network.parameters():
                value += 0.1 * torch.randn(value.shape, generator=generator)
            self.old[1].weight += 5 * torch.randn(32, generator=generator)

    def replayed(self):
        """The next batch of every memory, without moving on: the replay is opened again."""
        self.strategy.before_task(self.task, self.seen)
        return list(self.strategy.replay.batches(self.strategy.backbone, 2))

    def batch(self):
        features = self.strategy.backbone(self.inputs).head
        return Batch(PAIRS, self.head, self.inputs, features)

    def value_and_gradients(self):
        """What is added to the loss, and its gradients of network and old heads."""
        backbone = self.strategy.backbone.requires_grad_(True)
        batch = self.batch()
        extra = self.strategy.extra_loss(batch, pair_loss(batch))
        moving = [*backbone.network.parameters(), *(head.weight for head in self.old)]
        gradients = torch.autograd.grad(extra, moving)
        backbone.requires_grad_(False)
        return float(extra.detach()), gradients

    def slow_loss(self, shown):
        """Go through heads, and the pairs each is shown, one by one."""
        total = 0.0
        for now, then, (inputs, pairs) in zip(self.old, self.before[1], shown, strict=True):
            both = list(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True))
            for i, j in both:
                said = probability(self.before[0], then, inputs, i, j)
                says = probability(self.strategy.backbone, now, inputs, i, j)
                agree = math.sqrt(says * said + 1e-8)
                loss = 1 - agree - math.sqrt((1 - says) * (1 - said) + 1e-8)
                total += loss / len(both)
        return total


def probability(backbone, head, inputs, i, j):
    with torch.no_grad():
        features = [backbone(inputs[k][None]).head[0] for k in (i, j)]
        first, second = (float((one * head.weight).sum()) for one in features)
    return 0.5 * (1 + math.erf((first - second) / math.sqrt(2) / math.sqrt(2)))


BOTH = pytest.mark.parametrize("method", [LwF, ICaRLv1], ids=lambda method: method.name)


@BOTH
def test_where_nothing_has_changed_the_loss_is_at_its_minimum(learn, once, world, method):
    case = Case(learn, once, world, method, 10.0)
    value, still = case.value_and_gradients()
    assert abs(value) < 1e-2
    case.change()
    more, moving = case.value_and_gradients()
    assert more > value + 1e-3
    largest = max(float(gradient.abs().max()) for gradient in moving)
    assert largest > 1e-2
    assert max(float(gradient.abs().max()) for gradient in still) < 1e-4 * largest


@BOTH
def test_elsewhere_it_equals_a_slow_computation_over_heads_and_pairs(learn, once, world, method):
    case = Case(learn, once, world, method, 3.0)
    if method is LwF:
        shown = [(case.inputs, PAIRS)] * 2  # every old head sees the new task's images
    else:
        shown = [(batch.inputs, batch.pairs) for batch in case.replayed()]  # each its own memory
        case.strategy.before_task(case.task, case.seen)
    case.change()
    value, _ = case.value_and_gradients()
    expected = 3 * case.slow_loss(shown)
    assert expected > 1e-3
    assert value == pytest.approx(expected, rel=1e-3)


def test_old_heads_learn_at_the_networks_rate(learn, world):
    """Adam moves nothing by more than its rate a step, up to a small factor."""
    lessons = learn("lwf", ("alpha",), overrides={"schedule.full.head_learning_rate": 0.3})
    kept = lessons.model.heads["alpha"].weight.detach().clone()
    assert lessons.go_on(world.task("beta")).history[-1].step == "images"
    schedule = lessons.strategy.finetune_schedule()
    moved = (lessons.model.heads["alpha"].weight.detach() - kept).abs().max()
    steps = schedule.epochs * 3  # 16 images in batches of 6
    assert 0 < moved < 2 * steps * schedule.learning_rate < schedule.head_learning_rate


@pytest.mark.parametrize(("name", "of"), [("lwf", "beta"), ("icarl-v1", "alpha")])
def test_it_keeps_what_the_old_head_said(learn, world, name, of):
    """Of the new task's images, or of remembered ones."""
    drift, longer = {}, {"schedule.full.epochs": 6}
    first = learn(name, ("alpha",), overrides=longer)
    for weight in (0.0, 100.0):
        lessons = learn(name, (), weight=weight, overrides=longer)
        lessons.strategy.load_state(first.state)
        lessons.tasks = list(first.tasks)
        images = lessons.context.images(world.task(of), "train").images
        gaps = []
        for step in range(2):
            if step:
                lessons.go_on(world.task("beta"))
            said = lessons.model.read(images, ["alpha"], gate=False)[0][:, 0]
            gaps.append(said[:, None] - said)
        drift[weight] = float(np.abs(gaps[1] - gaps[0]).mean())
    assert 0 < drift[100.0] < drift[0.0] / 2, drift


class TestReplay:
    @pytest.mark.parametrize(("method", "matter"), [(ICaRLv1, False), (ICaRLv2, True)])
    def test_labels_of_remembered_images_matter_to_the_second_variant_alone(
        self, learn, equal, world, method, matter
    ):
        states = []
        for sign in (1, -1):
            lessons = learn(method, ("alpha",))
            lessons.context.images(lessons.tasks[0], "train").mos.mul_(sign)
            lessons.go_on(world.task("beta"))
            states.append(lessons.state)
        assert equal(*states) != matter

    def test_each_old_head_is_shown_the_memory_of_its_own_task(self, learn, once, world):
        case = Case(learn, once, world, ICaRLv1, 1.0, memory=20)
        for name, own in zip(("alpha", "beta"), case.strategy.replay.memory, strict=True):
            assert own.head is case.strategy.model.heads[name]
            assert set(own.images.images.paths) < set(world.task(name).paths("train"))
            assert len(own.images.images) == 10
            assert own.images.task == "gamma"  # as many pairs as of the new task

    def test_a_batch_of_ties_alone_adds_nothing(self, learn, once, world):
        case = Case(learn, once, world, ICaRLv1, 10.0)
        empty = torch.tensor([], dtype=torch.long)
        tied = PairBatch(0, torch.arange(2), empty, empty, torch.tensor([]))
        case.strategy.replay.streams = [iter([tied]) for _ in range(2)]
        assert case.strategy.extra_loss(case.batch(), torch.tensor(0.3)) == 0

    @pytest.mark.parametrize("drawn", [None, 30], ids=["in batch", "drawn"])
    def test_the_second_variants_new_head_learns_from_all_batches(self, learn, once, world, drawn):
        """Batches count by their images: for drawn pairs that is the mean over all pairs."""
        overrides = {"schedule.full.pairs": drawn}
        case = Case(learn, once, world, ICaRLv2, 3.0, overrides=overrides)
        shown = case.replayed()
        case.strategy.before_task(case.task, case.seen)
        case.change()
        with torch.no_grad():
            batch = case.batch()
            own = pair_loss(batch)
            value = float(own + case.strategy.extra_loss(batch, own))
        total, images = 5 * float(own), 5
        for memory in shown:
            quality = case.head(case.strategy.backbone(memory.inputs).head).detach()
            pairs = memory.pairs
            losses = [
                float(fidelity_loss(thurstone(quality[i], quality[j]), target))
                for i, j, target in zip(pairs.first, pairs.second, pairs.target, strict=True)
            ]
            total += len(pairs.indices) * sum(losses) / len(losses)
            images += len(pairs.indices)
        old = 3 * case.slow_loss([(memory.inputs, memory.pairs) for memory in shown])
        assert value == pytest.approx(total / images + old, rel=1e-3)
        assert value != pytest.approx(float(own) + old, rel=1e-3)

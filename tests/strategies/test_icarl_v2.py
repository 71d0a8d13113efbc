"""iCaRL, second variant: the new head learns the labels of remembered images, too."""

import copy
import itertools

import pytest
import torch

from tsniqa.model.fidelity import fidelity_loss, thurstone
from tsniqa.model.heads import LinearHead
from tsniqa.strategies.icarl_v1 import WEIGHT, ICaRLv1, ReplayDistillation
from tsniqa.strategies.icarl_v2 import ICaRLv2, Rehearsal
from tsniqa.strategies.memory import memories
from tsniqa.strategies.multihead import MultiHead
from tsniqa.strategies.replay import Replay
from tsniqa.training import trainer as training
from tsniqa.training.pairs import in_batch_epoch
from tsniqa.training.trainer import batch_loss


def learned(world, order, method=ICaRLv2, weight=None, **fields):
    plan = world.plan("multihead", order, **fields)
    plan.setting.strategy_weight = weight
    strategy = method(plan.setting)
    for step, task in enumerate(plan.tasks):
        strategy.learn(task, plan.tasks[:step])
    return plan, strategy


def equal_states(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


@pytest.fixture
def to_the_end(monkeypatch):
    """Keep the last epoch whatever its validation, so that there is something to compare."""
    rising = itertools.count()
    monkeypatch.setattr(training, "mean_srcc", lambda results: float(next(rising)))


class Case:
    """A batch of gamma while alpha and beta are remembered, under a network that has moved."""

    def __init__(self, world, **fields):
        plan = world.plan("multihead", overrides=fields)
        self.step = plan.setting.schedule.full
        self.own = list(memories(plan.setting, plan.tasks[2], plan.tasks[:2]).values())
        self.backbone = world.backbone()
        self.new, *self.old = (
            LinearHead(32, torch.Generator().manual_seed(seed)) for seed in (1, 2, 3)
        )
        for head in (self.new, *self.old):
            head.weight.data *= 10
        self.first = ReplayDistillation(self.backbone, self.old, self.replay(), 3.0)
        generator = torch.Generator().manual_seed(9)
        with torch.no_grad():
            for value in self.backbone.network.parameters():
                value += 0.1 * torch.randn(value.shape, generator=generator)
        images, mos, _ = plan.setting.images(plan.tasks[2], "train")
        self.batch = next(in_batch_epoch([mos], self.step.batch, generator))
        shown = torch.stack([images[i] for i in self.batch.indices.tolist()])
        self.inputs = self.backbone.preprocess(shown)
        self.features = self.backbone.features(self.inputs).head
        self.loss = batch_loss(self.new(self.features), self.batch)

    def replay(self):
        return Replay(self.own, self.step, 5)

    def value(self, extra):
        extra = extra(self.batch, self.inputs, self.features, self.loss)
        return float((self.loss + extra).detach())

    def losses(self, crops, batch):
        """Each pair's loss under the new head, one by one."""
        with torch.no_grad():
            quality = [
                self.new(self.backbone.features(self.backbone.preprocess(crop[None])).head)[0]
                for crop in crops
            ]
        return [
            float(fidelity_loss(thurstone(quality[i], quality[j]), target))
            for i, j, target in zip(batch.first, batch.second, batch.target, strict=True)
        ]

    def distilled(self):
        self.first.replay = self.replay()
        zero = torch.tensor(0.0)
        return float(self.first(self.batch, self.inputs, self.features, zero).detach())


def test_the_new_head_learns_from_all_batches_by_their_images(world):
    case = Case(world)
    value = case.value(Rehearsal(case.first, case.new))
    total, images = 6 * float(case.loss.detach()), 6
    for batch, crops in case.replay():
        losses = case.losses(crops, batch)
        total += len(crops) * sum(losses) / len(losses)
        images += len(crops)
    assert images == 12
    assert value == pytest.approx(total / images + case.distilled(), rel=1e-4)
    assert value != pytest.approx(float(case.loss.detach()) + case.distilled(), rel=1e-3)


def test_for_drawn_pairs_that_is_the_mean_over_all_pairs(world):
    case = Case(world, **{"schedule.full.pairs": 30})
    own = case.batch
    # Three pairs of six images: as drawn pairs are, two images each.
    three = [own.first[:3], own.second[:3], own.target[:3]]
    case.batch = own._replace(first=three[0], second=three[1], target=three[2])
    case.loss = batch_loss(case.new(case.features), case.batch)
    value = case.value(Rehearsal(case.first, case.new))
    every = [float(case.loss.detach())] * 3
    for batch, crops in case.replay():
        every += case.losses(crops, batch)
    assert len(every) == 9
    assert value == pytest.approx(sum(every) / 9 + case.distilled(), rel=1e-4)


def test_the_first_task_is_learned_as_without_it(world):
    _, plain = learned(world, ("alpha",), MultiHead)
    _, strategy = learned(world, ("alpha",))
    assert equal_states(strategy.state(), plain.state())


@pytest.mark.parametrize(("method", "matter"), [(ICaRLv1, False), (ICaRLv2, True)])
def test_labels_of_remembered_images_matter_unlike_in_the_first_variant(
    world, to_the_end, method, matter
):
    states = []
    for upside_down in (False, True):
        plan, strategy = learned(world, ("alpha",), method)
        if upside_down:
            key = (plan.tasks[0].fingerprint(), "train")
            shown = plan.setting.images(plan.tasks[0], "train")
            plan.setting._images[key] = shown._replace(mos=-shown.mos)
        strategy.learn(world.task("beta"), plan.tasks)
        states.append(strategy.state())
    assert equal_states(*states) != matter


def test_without_weight_the_old_head_stays_and_the_new_one_still_rehearses(world, to_the_end):
    _, plain = learned(world, ("alpha", "beta"), MultiHead)
    _, strategy = learned(world, ("alpha", "beta"), weight=0.0)
    assert not torch.equal(strategy.heads_["beta"].weight, plain.heads_["beta"].weight)


def test_step_one_is_that_of_the_first_variant(world):
    fields = {"schedule.full.epochs": 0}
    _, first = learned(world, ("alpha", "beta"), ICaRLv1, overrides=fields)
    _, second = learned(world, ("alpha", "beta"), overrides=fields)
    assert equal_states(first.state(), second.state())


def test_a_fresh_strategy_goes_on_from_a_stored_state_bit_for_bit(world, to_the_end, tight):
    batch = {"schedule.full.statistics": "batch"}
    _, whole = learned(world, ("gamma", "beta", "alpha"), overrides=batch)
    plan, part = learned(world, ("gamma", "beta"), overrides=batch)
    state = {key: value.clone() for key, value in part.state().items()}
    fresh = ICaRLv2(plan.setting)
    fresh.load_state(state)
    assert equal_states(fresh.state(), state)
    fresh.learn(world.task("alpha"), plan.tasks)
    assert equal_states(fresh.state(), whole.state())


def test_the_weight_is_the_published_one_or_the_settings(world):
    plan, strategy = learned(world, ("alpha",))
    head, task = copy.deepcopy(strategy.heads_["alpha"]), world.task("beta")
    assert strategy.extra_loss(task, plan.tasks, head).distillation.weight == WEIGHT
    plan.setting.strategy_weight = 0.5
    extra = strategy.extra_loss(task, plan.tasks, head)
    assert extra.distillation.weight == 0.5
    assert extra.head is head
    assert strategy.extra_loss(plan.tasks[0], [], head) is None

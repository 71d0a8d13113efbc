"""Habits of the released code within one step: fixed pairs, ties, Adam's state, two forwards."""

from collections import Counter

import pytest
import torch

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
from tsniqa.training.pairs import PairBatch, in_batch_pairs
from tsniqa.training.schedules import Released
from tsniqa.training.trainer import Source, pair_loss, read_crops


@pytest.mark.parametrize("pairs", [None, 40], ids=["in batch", "drawn"])
@pytest.mark.parametrize("fixed", [False, True])
def test_fixed_pairs_are_the_same_in_every_epoch_and_crops_are_not(world, fixed, pairs):
    batches, inputs = {1: [], 2: []}, {1: [], 2: []}

    def loss(batch):
        pairs = batch.pairs
        compared = (pairs.indices[one].tolist() for one in (pairs.first, pairs.second))
        batches[batch.epoch] += zip(*compared, strict=True)
        inputs[batch.epoch].append(batch.inputs.sum().item())
        return pair_loss(batch)

    schedule = crop_schedule(batch=4, pairs=pairs)
    learn_images(world, schedule, loss=loss, released=Released(fixed_pairs=fixed))
    assert (Counter(batches[1]) == Counter(batches[2])) == fixed
    assert batches[1] != batches[2]
    assert set(inputs[1]).isdisjoint(inputs[2])


def test_equal_opinions_teach_that_the_second_is_better_only_where_ties_count():
    """The first image's score falls below the second's, since the target of a tie is 0."""
    data = relabelled(labelled(2), torch.ones(2))

    def gap(ties):
        head, targets = new_head(), []

        def loss(batch):
            targets.extend(batch.pairs.target.tolist())
            first, second = (batch.features[one] for one in (batch.pairs.first, batch.pairs.second))
            gaps.append(float((head(first) - head(second)).detach()))
            return pair_loss(batch)

        gaps = []
        schedule = head_schedule(epochs=1, learning_rate=0.01)
        for _ in range(2):
            learn_head(head, [data], [], schedule, loss=loss, released=Released(ties=ties))
        return targets, gaps

    targets, gaps = gap(True)
    assert targets == [0, 0]
    assert gaps[1] < gaps[0]
    with pytest.warns(UserWarning, match=r"lr_scheduler\.step"):
        assert gap(False) == ([], [])


def test_a_carried_state_of_adam_goes_on_as_if_there_were_one_step():
    """Epochs of one full batch: twice two with the state carried are four, up to rounding."""
    data = [labelled(20)], []

    def learned(*epochs, state):
        head = new_head()
        for count in epochs:
            schedule = head_schedule(epochs=count, batch=20, learning_rate=0.05)
            learn_head(head, *data, schedule, adam=state)
        return head

    state = {}
    whole, parts = learned(4, state=None), learned(2, 2, state=state)
    torch.testing.assert_close(parts.weight, whole.weight, rtol=0, atol=1e-5)
    assert (learned(2, 2, state=None).weight - whole.weight).abs().max() > 1e-2
    (known,) = state.values()
    assert state.keys() == {parts.weight}
    assert known["step"] == 4
    assert known["exp_avg"].any()


class TestTwoForwards:
    @pytest.fixture
    def read(self, world):
        """Read one batch of alpha, with the state of the network before and after."""
        images = images_of(world, "train")

        def read(count, epoch, two_forwards):
            backbone, indices = world.backbone(), torch.arange(count)
            pairs = PairBatch(0, indices, *in_batch_pairs(images.mos[:count]))
            how = (
                crop_schedule(bn_statistics="first-epoch"),
                epoch,
                torch.Generator().manual_seed(4),
            )
            batch = read_crops(backbone, Source(images, new_head(32)), pairs, *how, two_forwards)
            return backbone, batch

        return read

    @pytest.mark.parametrize("count", [6, 7])
    def test_halves_are_standardised_each_by_its_own_statistics(self, world, read, count):
        backbone, batch = read(count, 1, True)
        slow = world.backbone()
        for layer in slow.network.modules():
            layer.training = isinstance(layer, torch.nn.BatchNorm2d)
        split = (count + 1) // 2
        parts = [slow(part).head for part in (batch.inputs[:split], batch.inputs[split:])]
        assert torch.equal(batch.features, torch.cat(parts))
        for name, value in slow.network.named_buffers():
            assert torch.equal(value, backbone.network.get_buffer(name)), name
        _, together = read(count, 1, False)
        assert torch.equal(together.inputs, batch.inputs)
        assert (together.features - batch.features).abs().max() > 1e-3

    def test_in_evaluation_mode_they_change_nothing_but_rounding(self, read):
        (_, apart), (_, together) = (read(6, 2, two) for two in (True, False))
        torch.testing.assert_close(apart.features, together.features)

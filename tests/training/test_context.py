"""What strategies share: seeds from names, decoded images, reference features on disk."""

import pytest
import torch

from tsniqa.data.images import ImageSet
from tsniqa.scoring.features import image_features
from tsniqa.training.context import TrainingContext


@pytest.fixture
def make(world, tmp_path):
    preset = world.plan().preset

    def context(cache=tmp_path / "features", **fields):
        network = fields.pop("backbone", None) or world.backbone()
        fixed = (network, preset.schedule, preset.gate, 0)
        return TrainingContext(*fixed, feature_cache=cache, **fields)

    return context


def equal(first, second):
    both = zip([*first.gate, first.head], [*second.gate, second.head], strict=True)
    return all(torch.equal(*pair) for pair in both)


def test_reference_features_come_from_disk_bit_for_bit(make, world, monkeypatch, tmp_path):
    task = world.task("alpha")
    expected = image_features(world.backbone(), ImageSet(task.paths("val"), None))
    assert equal(make().reference_features(task, "val"), expected)
    assert equal(make(cache=None).reference_features(task, "val"), expected)
    fail = lambda *_: pytest.fail("computed again")  # noqa: E731
    monkeypatch.setattr("tsniqa.training.context.image_features", fail)
    assert equal(make().reference_features(task, "val"), expected)
    assert len(list((tmp_path / "features").iterdir())) == 1


def test_other_networks_data_parts_and_sizes_have_their_own_features(make, world, tmp_path):
    task = world.task("alpha")
    make().reference_features(task, "val")
    make().reference_features(task, "train")
    make().reference_features(world.task("beta"), "val")
    make(shorter_side=16).reference_features(task, "val")
    make(backbone=world.backbone(stages=(-3, -1))).reference_features(task, "val")
    changed = world.backbone()
    with torch.no_grad():
        next(changed.network.parameters()).add_(1)
    make(backbone=changed).reference_features(task, "val")
    assert len(list((tmp_path / "features").iterdir())) == 6


@pytest.mark.parametrize(
    "fields",
    [
        {"mean": (0.2, 0.2, 0.2)},
        {"std": (0.5, 0.25, 0.1)},
        {"arguments": {"channels": [8, 16, 24, 32], "stem_width": 8, "output_stride": 16}},
    ],
)
def test_a_card_that_computes_otherwise_with_the_same_weights_has_other_features(
    make, world, fields
):
    task = world.task("alpha")
    plain = make().reference_features(task, "val")
    other = world.backbone(**fields)
    expected = image_features(other, ImageSet(task.paths("val"), None))
    assert not equal(expected, plain)
    assert equal(make(backbone=other).reference_features(task, "val"), expected)


@pytest.mark.parametrize("statistics", ["kept", "batch", "first-epoch"])
def test_features_of_a_task_are_found_again_whatever_was_learned_before_it(
    prepare, world, tmp_path, statistics
):
    overrides = {"schedule.normalization.bn_statistics": statistics}
    cache = tmp_path / "features"
    for order in (("alpha", "beta"), ("beta", "alpha")):
        config = world.config("tsn", order, overrides=overrides)
        plan = prepare(config, world.data_root, "cpu", cache)
        for step, task in enumerate(plan.tasks):
            plan.strategy.learn(task, plan.tasks[:step])
    assert len(list(cache.iterdir())) == 2 * 2  # train and val of two tasks


def test_a_broken_cache_file_is_written_anew(make, world, tmp_path):
    task = world.task("alpha")
    expected = make().reference_features(task, "val")
    (path,) = (tmp_path / "features").iterdir()
    path.write_bytes(b"half")
    assert equal(make().reference_features(task, "val"), expected)
    assert path.stat().st_size > 4

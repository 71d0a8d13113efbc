"""On a GPU as on the CPU: the same crops, whole records, and a model that no order changes."""

import numpy as np
import pytest
import torch

from tsniqa.data.images import ImageSet, random_crops
from tsniqa.model.tsniqa import TSNIQA
from tsniqa.runtime import reproducible
from tsniqa.strategies import STRATEGIES
from tsniqa.study import runner as study
from tsniqa.training.schedules import Released

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here"),
]


def run_on_gpu(world, results, strategy="tsn", order=("alpha", "beta"), **fields):
    config = world.config(strategy, order, **fields)
    return study.run(config, world.data_root, results, "cuda")


def test_images_stay_on_the_gpu_and_are_cropped_as_on_the_cpu(world):
    paths = world.task("alpha").paths("train")
    for size in (24, 40):  # smaller and larger than the images
        crops = []
        for device in ("cpu", "cuda"):
            images = ImageSet(paths, None, device=device)
            crops.append(random_crops(images, range(16), size, torch.Generator().manual_seed(3)))
            assert images[3].device.type == crops[-1].device.type == device
            assert images[3] is images[3]
        assert crops[1].dtype == torch.uint8
        assert torch.equal(crops[0], crops[1].cpu())


def test_a_run_is_repeated_bit_for_bit_and_the_order_does_not_matter(world, tmp_path):
    orders = [("alpha", "beta"), ("alpha", "beta"), ("beta", "alpha")]
    records = [
        run_on_gpu(world, tmp_path / str(number), order=order)
        for number, order in enumerate(orders)
    ]
    states = [TSNIQA.load(record.folder / "model").state() for record in records]
    for record, state in zip(records[1:], states[1:], strict=True):
        assert state.keys() == states[0].keys()
        for name, value in state.items():
            assert torch.equal(value, states[0][name]), name
        assert np.array_equal(record.distances, records[0].distances)
        for name in records[0].names:
            assert np.array_equal(record.head(name), records[0].head(name))
    assert records[0].description.device == torch.cuda.get_device_name()


def test_the_gradient_of_pooling_by_maxima_is_deterministic():
    """ResNet's windows overlap: where they meet, gradients are summed."""
    with reproducible(1):
        inputs = torch.randn(8, 16, 65, 65, device="cuda").to(memory_format=torch.channels_last)
        found = []
        for _ in range(3):
            own = inputs.clone().requires_grad_()
            torch.nn.functional.max_pool2d(own, 3, 2, 1).square().sum().backward()
            found.append(own.grad)
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


@pytest.mark.parametrize("strategy", sorted(STRATEGIES))
def test_every_strategy_runs_and_its_model_scores_on_either_device(world, tmp_path, strategy):
    record = run_on_gpu(world, tmp_path / "records", strategy)
    assert np.isfinite(record.scores).all()
    images = world.task("alpha").paths("test")
    scores = [
        TSNIQA.load(record.folder / "model", device).predict(images) for device in ("cpu", "cuda")
    ]
    np.testing.assert_allclose(*scores, atol=0.05)  # convolutions round to 10 bits on a GPU


def test_an_interrupted_run_goes_on(world, tmp_path):
    class PulledPlugError(Exception):
        pass

    begun = []

    def pull(images):
        begun.append(images)
        if len(begun) == 2:
            raise PulledPlugError

    config = world.config("ewc", ("alpha", "beta"))
    with pytest.raises(PulledPlugError):
        study.run(config, world.data_root, tmp_path / "records", "cuda", pull)
    resumed = study.run(config, world.data_root, tmp_path / "records", "cuda")
    whole = study.run(config, world.data_root, tmp_path / "whole", "cuda")
    assert np.array_equal(resumed.scores, whole.scores)


def test_adams_moments_follow_the_heads_to_the_gpu(world, prepare):
    made = prepare(world.config("lwf", ("alpha", "beta")), world.data_root, "cuda")
    habits = Released(carried_adam=True, fixed_pairs=True, ties=True, two_forwards=True)
    schedule = made.context.schedule.model_copy(update={"released": habits})
    made.context.schedule = schedule
    for step, task in enumerate(made.tasks):
        learned = made.strategy.learn(task, made.tasks[:step])
        assert all(np.isfinite(epoch.loss) for epoch in learned.history if epoch.epoch)

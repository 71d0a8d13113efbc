"""Learning of a toy head, and of a head with gamma and beta: what tests of training share."""

import torch
from torch import nn
from torch.nn.functional import normalize

from tsniqa.data.images import ImageSet
from tsniqa.model.heads import LinearHead
from tsniqa.model.normalization import SELECTIONS
from tsniqa.training.context import LabelledImages
from tsniqa.training.schedules import FinetuneSchedule, HeadSchedule
from tsniqa.training.trainer import Learning, Source, fit


def head_schedule(**fields):
    defaults = {"epochs": 5, "batch": 16, "learning_rate": 0.1, "decay_every": 10}
    return HeadSchedule(**(defaults | {"weight_decay": 0.0} | fields))


def crop_schedule(**fields):
    defaults = {"epochs": 2, "batch": 6, "learning_rate": 0.01, "decay_every": 10, "crop": 24}
    more = {"head_learning_rate": 0.1, "bn_statistics": "kept", "weight_decay": 5e-4}
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
    learning = Learning(**more)
    return fit("head", schedule, backbone, sources(train), sources(validation), seed, learning)


def images_of(world, part, name="alpha"):
    task = world.task(name)
    mos = torch.tensor(task.mos(part), dtype=torch.float32)
    return LabelledImages(ImageSet(task.paths(part), None), mos)


def learn_images(world, schedule, seed=1, device="cpu", train=None, held=None, **more):
    """Train a head and gamma and beta on crops of the task alpha."""
    backbone, head = world.backbone().to(device), new_head(32)
    sources = [Source(one, head) for one in (train or images_of(world, "train"),)]
    validation = [Source(held or images_of(world, "val"), head)]
    learning = Learning(list(SELECTIONS["affine"](backbone.network).values()), **more)
    try:
        history = fit("images", schedule, backbone, sources, validation, seed, learning)
    finally:
        assert not any(parameter.requires_grad for parameter in backbone.parameters())
        assert not any(module.training for module in backbone.modules())
    return backbone, head, history

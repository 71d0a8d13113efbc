"""The training loop that this package had before, to measure the present one against.

What differs: every crop drew three numbers of its own and went through two torchvision transforms,
every step waited for its loss, and every epoch was validated, since the best of them was kept.
"""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torchvision.transforms.v2 import functional as transforms

from tsniqa.model.backbone import Backbone
from tsniqa.model.normalization import use_batch_statistics
from tsniqa.training.pairs import in_batch_epoch
from tsniqa.training.schedules import FinetuneSchedule, HeadSchedule
from tsniqa.training.trainer import Batch, Source, pair_loss, validation_srcc


def random_crop(image: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """Cut a random square from an image [3, H, W], no side below ``size``; flip it at random."""
    sides = image.shape[1] - size + 1, image.shape[2] - size + 1
    top, left, flip = (int(torch.randint(n, (), generator=generator)) for n in (*sides, 2))
    crop = transforms.crop(image, top, left, size, size)
    return transforms.horizontal_flip(crop) if flip else crop


def fit_before(
    schedule: HeadSchedule,
    backbone: Backbone,
    train: Source,
    validation: Source,
    parameters: Sequence[nn.Parameter] = (),
    decay: float = 0.0,
) -> None:
    """Run the epochs of one step, on crops if the schedule gives their size, else on features."""
    on_crops, head = isinstance(schedule, FinetuneSchedule), train.head
    kept = [backbone.network, head] if on_crops else [head]
    rate = schedule.head_learning_rate if on_crops else schedule.learning_rate
    for parameter in parameters:
        parameter.requires_grad_(True)
    groups = [
        {"params": list(parameters), "lr": schedule.learning_rate},
        {"params": [head.weight], "lr": rate},
    ]
    optimizer = torch.optim.Adam(groups, weight_decay=decay)
    order, crops = (torch.Generator().manual_seed(seed) for seed in (0, 1))
    best = validation_srcc(backbone, [validation])
    states = [copy.deepcopy(module.state_dict()) for module in kept]
    for epoch in range(1, schedule.epochs + 1):
        losses = []
        for pairs in in_batch_epoch([train.images.mos], schedule.batch, order):
            if on_crops:
                own = (train.images.images[i] for i in pairs.indices.tolist())
                cropped = torch.stack([random_crop(image, schedule.crop, crops) for image in own])
                inputs = backbone.preprocess(cropped)
                use_batch_statistics(backbone.network, schedule.uses_batch_statistics(epoch))
                features = backbone(inputs).head.float()
            else:
                inputs, features = None, train.features[pairs.indices]
            loss = pair_loss(Batch(pairs, head, inputs, features))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        new = validation_srcc(backbone, [validation])
        if new > best:
            best, states = new, [copy.deepcopy(module.state_dict()) for module in kept]
    for module, state in zip(kept, states, strict=True):
        module.load_state_dict(state)
    backbone.eval().requires_grad_(False)

"""Models for timing: any number of tasks that nobody learned, on a real network.

A task is a kind of drawn pictures: smooth noise of its own grain and tint. Its normalization, and
its head, are drawn from its number; its gates are fitted to its pictures.
"""

import torch
from torch.nn.functional import interpolate

from tsniqa.model.backbone import load_backbone
from tsniqa.model.gating import AnalyticGate, KMeansGate
from tsniqa.model.heads import LinearHead
from tsniqa.model.tsniqa import TSNIQA
from tsniqa.scoring.features import image_features

PICTURES, SIDE = 8, 128  # that a task's gates are fitted to


def pictures(task: int, count: int, side: int, first: int = 0) -> torch.Tensor:
    """Draw pictures of a task, uint8 [count, 3, side, side]."""
    kind = torch.Generator().manual_seed(task)
    cells = int(torch.randint(4, side // 4, (), generator=kind))
    tint = torch.rand(3, 1, 1, generator=kind)
    content = torch.Generator().manual_seed(1000 * (task + 1) + first)
    noise = torch.rand(count, 3, cells, cells, generator=content)
    drawn = interpolate(noise, (side, side), mode="bicubic").add(tint).div(2)
    return drawn.clamp(0, 1).mul(255).byte()


def made_up_model(card: str, tasks: int) -> TSNIQA:
    """Make a model on the backbone of a card."""
    backbone = load_backbone(card)
    model = TSNIQA(backbone, KMeansGate(PICTURES, start="ward"), analytic=AnalyticGate())
    for task in range(tasks):
        drawn = pictures(task, PICTURES, SIDE)
        reference = image_features(backbone, drawn)
        generator = torch.Generator().manual_seed(task)
        with torch.no_grad():
            for value in model.bank.live().values():
                value.mul_(torch.rand(value.shape, generator=generator) / 2 + 0.75)
        head = LinearHead(backbone.head_width, generator).requires_grad_(False)
        features = image_features(backbone, drawn)
        model.add_task(f"task-{task:02}", head, features, reference.gate)
        model.bank.load(None)
    return model

"""Pictures, and models that are made by hand rather than learned: what tests of scoring share."""

import numpy as np
import torch

from tsniqa import TSNIQA, KMeansGate, LinearHead, NormalizationBank
from tsniqa.model.gating import AnalyticGate
from tsniqa.model.heads import RidgeHead
from tsniqa.model.tsniqa import SHARED
from tsniqa.scoring.features import image_features


def pictures(count=5, size=(40, 32), seed=0):
    """Draw uint8 images [3, H, W]."""
    random = np.random.default_rng(seed)
    return [torch.from_numpy(random.integers(0, 256, (3, *size), np.uint8)) for _ in range(count)]


def disturb(network, select, seed):
    """Change what is selected of a network, as learning would."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in NormalizationBank(network, select).live().items():
            noise = torch.rand(value.shape, generator=generator)
            if select == "masks":
                value.mul_(noise > 0.2)
            elif name.endswith(".up"):  # zero at first
                value.copy_(noise / 10)
            else:
                value.mul_(noise / 2 + 0.75)


def make_model(
    backbone, select="normalization", tasks=("beta", "alpha"), shared=False, ridge=False, **options
):
    """Make a model of some tasks; ``shared`` puts all heads on one state."""
    bank, gate = NormalizationBank(backbone.network, select), KMeansGate(3, 1, 8.0)
    model = TSNIQA(backbone, gate, bank, analytic=AnalyticGate(), **options)
    model.bank.load(None)
    reference = image_features(backbone, pictures(seed=9))
    for task in tasks:
        seed = sum(map(ord, task))
        generator = torch.Generator().manual_seed(seed)
        disturb(backbone.network, select, seed)
        features = image_features(backbone, pictures(seed=seed))
        head = LinearHead(backbone.head_width, generator)
        if ridge:
            weight = torch.randn(backbone.head_width, generator=generator)
            head = RidgeHead(weight / 9, torch.tensor(0.1))
        model.add_task(task, head, features, [stage + 0.01 * seed for stage in reference.gate])
        if shared:
            model.bank.states = {SHARED: model.bank.states.pop(task)}
        model.bank.load(None if not shared else SHARED)
    return model

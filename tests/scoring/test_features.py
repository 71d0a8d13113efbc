"""Features of whole image sets."""

import torch

from handmade import pictures
from tsniqa.scoring.features import image_features


def test_features_are_those_of_every_image_alone_in_the_images_order(world):
    backbone = world.backbone()
    images = [*pictures(3), *pictures(20, (24, 48), seed=1), *pictures(2, seed=2)]
    found = image_features(backbone, iter(images))
    alone = [backbone(backbone.preprocess(image[None])) for image in images]
    for i, part in enumerate((*found.gate, found.head)):
        slow = torch.cat([(*features.gate, features.head)[i] for features in alone])
        torch.testing.assert_close(part, slow, rtol=0, atol=1e-6)
        assert not part.requires_grad
        assert part.device.type == "cpu"

"""Features of many images: the one loop that every score and every centroid comes from."""

import torch

from tsniqa.data.images import ImageSet, full_batches
from tsniqa.model.backbone import Backbone, Features

BATCH = 16
"""Images a forward pass. Part of a result's last bits, so it is a constant and not an option."""


def image_features(backbone: Backbone, images: ImageSet) -> Features:
    """Compute the features of full images under the backbone's current normalization.

    Args:
        backbone: In evaluation mode.
        images: N images.

    Returns:
        Float32 features on the CPU, N rows each, in the order of the images.
    """
    parts: list[Features] = []
    with torch.inference_mode():
        for _, batch in full_batches(images, BATCH):
            parts.append(backbone.features(backbone.preprocess(batch)))
    gate = tuple(torch.cat([part.gate[i] for part in parts]).cpu() for i in range(2))
    return Features((gate[0], gate[1]), torch.cat([part.head for part in parts]).cpu())

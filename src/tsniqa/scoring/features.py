"""From the images of a task to the features that heads and gates read."""

import torch

from tsniqa.data.images import ImageSet
from tsniqa.model.backbone import Backbone, Features
from tsniqa.pixels import batches


def image_features(backbone: Backbone, images: ImageSet) -> Features:
    """Compute the features, float32 and on the CPU, of whole images under the network as it is."""
    with torch.inference_mode():
        parts = [backbone(backbone.preprocess(batch)).cpu() for batch in batches(images)]
    return Features.joined(parts)

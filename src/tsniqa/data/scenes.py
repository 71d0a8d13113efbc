"""Which photographs show one scene, for a dataset that does not say: told from their thumbnails.

Photographs of one scene must not lie on both sides of a split. Exposure, white balance and blur
differ between them; where it is light and where dark does not.
"""

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import pdist

from tsniqa.errors import DataError
from tsniqa.paths import cache_folder, remembered_digest, written_whole
from tsniqa.pixels import decode

SIDE = 32
"""Pixels of a thumbnail's side."""
FARTHEST = 0.2
"""Largest mean distance, 1 - correlation of thumbnails, at which groups become one scene."""


def same_scene(images: Sequence[Path]) -> list[int]:
    """Group photographs by scene.

    Grey thumbnails of 32 x 32 pixels are clustered by average linkage, as single linkage chains
    landscapes that share no more than a bright sky. An image that cannot be read is a scene of its
    own; to report it is for :func:`tsniqa.data.task.check_task`. Answers are kept in the cache
    folder under the bytes of all images, so that a dataset is looked through once.

    Args:
        images: Image files.

    Returns:
        For each image, the position of the first image that shows the same scene.
    """
    known = hashlib.sha256(" ".join([f"{SIDE} {FARTHEST}", *map(_digest, images)]).encode())
    answer = cache_folder("scenes") / f"{known.hexdigest()}.json"
    with suppress(OSError, ValueError):  # it is not there, or damaged
        return json.loads(answer.read_text(encoding="utf-8"))
    thumbnails = [_thumbnail(path) for path in images]
    readable = [place for place, thumbnail in enumerate(thumbnails) if thumbnail is not None]
    scenes = list(range(len(images)))
    if len(readable) > 1:
        apart = pdist(np.stack([thumbnails[place] for place in readable]), "correlation")
        apart = np.nan_to_num(apart, nan=1.0)  # a blank image resembles none
        groups = fcluster(linkage(apart, "average"), FARTHEST, "distance")
        _, first, group = np.unique(groups, return_index=True, return_inverse=True)
        for place, position in zip(readable, first[group], strict=True):
            scenes[place] = readable[position]
    with suppress(OSError), written_whole(answer) as partial:
        partial.write_text(json.dumps(scenes), encoding="utf-8")
    return scenes


def _digest(image: Path) -> str:
    """Name an image by its bytes, one that is not there by its path."""
    try:
        return remembered_digest(image)
    except OSError:
        return str(image)


def _thumbnail(image: Path) -> np.ndarray | None:
    """Return grey levels, float64 [SIDE * SIDE], or None if the image cannot be decoded."""
    try:
        grey = Image.fromarray(decode(image)).convert("L")
    except DataError:
        return None
    return np.asarray(grey.resize((SIDE, SIDE), Image.Resampling.BOX), np.float64).ravel()

"""KonIQ-10k, as it is distributed.

Layout::

    koniq10k_scores_and_distributions.csv   the ratings
    koniq10k_distributions_sets.csv         the ratings and the authors' split
    1024x768/10004473376.jpg, ...
    512x384/10004473376.jpg, ...

One of the tables is enough; the split is in the second one. ``MOS`` is the mean rating, 1 to 5, in
the first, and z-scores on about 0 to 100 in the second. So the mean rating, which has the scale of
``SD``, is computed from ``c1`` to ``c5``, how often an image was rated 1 (bad) to 5 (excellent), as
counts or as shares; to the nine decimals of the first file, which gives equal labels from either.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from tsniqa.data.readers import files
from tsniqa.errors import DataError

SCORES = (
    "koniq10k_scores_and_distributions.csv",
    "koniq10k_scores_and_distributions/koniq10k_scores_and_distributions.csv",
    "koniq10k_scores.csv",
)
SETS = ("koniq10k_distributions_sets.csv", "metadata/koniq10k_distributions_sets.csv")
IMAGES = (
    "1024x768", "koniq10k_1024x768/1024x768", "koniq10k_1024x768",
    "512x384", "koniq10k_512x384/512x384", "koniq10k_512x384",
)  # fmt: skip
CATEGORIES = ["c1", "c2", "c3", "c4", "c5"]
PARTS = {"training": "train", "validation": "val", "test": "test"}


def read(root: Path) -> pd.DataFrame:
    """Read the ratings and, where its file is there, the split, which must fit them."""
    path = files.require(root, *SCORES, *SETS)
    table = files.csv_table(path, needs=["image_name", *CATEGORIES, "c_total", "SD"])
    folder = next((name for name in IMAGES if files.find(root, name)), IMAGES[0])
    return files.rows(
        root,
        f"{folder}/" + table["image_name"],
        _mean_rating(table),
        std=table["SD"],
        split=_split(root, table["image_name"]),
    )


def _mean_rating(table: pd.DataFrame) -> np.ndarray:
    """Return the mean of the ratings 1 to 5; shares become the counts that they were made from."""
    votes = np.stack([files.numbers(table[category]) for category in CATEGORIES], axis=1)
    total = files.numbers(table["c_total"])
    with np.errstate(invalid="ignore", divide="ignore"):  # an image without ratings has no mean
        counts = np.rint(votes / votes.sum(axis=1, keepdims=True) * total[:, None])
        return np.round(counts @ np.arange(1.0, 6.0) / total, 9)


def _split(root: Path, images: pd.Series) -> pd.Series | None:
    path = files.find(root, *SETS)
    if path is None:
        return None
    sets = files.csv_table(path, needs=["image_name", "set"])
    if unknown := set(sets["set"]) - set(PARTS):
        raise DataError(
            f"{path} has the set '{min(unknown)}', it must be training, validation or test;"
            f" {files.OFFICIAL}"
        )
    parts = dict(zip(sets["image_name"], sets["set"].map(PARTS), strict=True))
    if others := set(parts) ^ set(images):
        raise DataError(
            f"{path} has {len(parts)} images and the ratings have {len(images)} ({min(others)} is"
            " in one of them only); get both files again, or remove it to split anew"
        )
    return images.map(parts)

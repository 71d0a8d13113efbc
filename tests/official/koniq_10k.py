"""A tiny KonIQ-10k: both tables of ratings, in which ``MOS`` means two things, and two sizes."""

from pathlib import Path

import numpy as np
import pandas as pd

from official.pictures import picture, rows

SCORES = "koniq10k_scores_and_distributions.csv"
SETS = "koniq10k_distributions_sets.csv"


def write(
    folder: Path,
    images: int = 40,
    *,
    tables: tuple[str, ...] = (SCORES, SETS),
    sizes: tuple[str, ...] = ("1024x768",),
) -> pd.DataFrame:
    """Write the dataset.

    Args:
        folder: The dataset's folder; made here.
        images: Number of images; of ten, seven are for training, one for validation, two to test.
        tables: Which of the two tables.
        sizes: Folders of the images; the first is the one that the reader has to take.
    """
    for size in sizes:
        (folder / size).mkdir(parents=True)
    random = np.random.default_rng(0)
    scores, sets, expected = [], [], []
    for place in range(images):
        level = (place * 7 % images) / (images - 1)
        name = f"{10004473376 + 9973 * place}.jpg"
        for size in sizes:
            pixels = (64, 48) if size == "1024x768" else (32, 24)
            picture(place, level, pixels).save(folder / size / name, quality=95)
        total = 96 + place % 20
        votes = np.bincount(random.binomial(4, 0.9 - 0.8 * level, total), minlength=5).tolist()
        mean = sum(count * rating for rating, count in enumerate(votes, 1)) / total
        spread = sum(count * (rating - mean) ** 2 for rating, count in enumerate(votes, 1))
        spread = (spread / (total - 1)) ** 0.5
        z_scored = 25 * (mean - 1) + 0.1 * (place % 5)  # each rater's scale evened out
        shares = [f"{count / total:.12g}" for count in votes]
        part = ("training",) * 7 + ("validation",) + ("test",) * 2
        scores.append([name, *votes, total, f"{mean:.9f}", f"{spread:.9f}", f"{z_scored:.9f}"])
        sets.append([name, *shares, total, f"{z_scored:.12g}", f"{spread:.9f}", part[place % 10]])
        image = f"{sizes[0]}/{name}" if sizes else f"1024x768/{name}"
        split = {"training": "train", "validation": "val", "test": "test"}[part[place % 10]]
        split = split if SETS in tables else ""
        expected.append((image, float(f"{mean:.9f}"), float(f"{spread:.9f}"), image, split))
    votes = ["image_name", "c1", "c2", "c3", "c4", "c5", "c_total", "MOS", "SD"]
    if SCORES in tables:
        table = pd.DataFrame(scores, columns=[*votes, "MOS_zscore"])
        table.to_csv(folder / SCORES, index=False, quoting=2, lineterminator="\r\n")
    if SETS in tables:
        reordered = sets[::-1]  # the two tables need not have the same order
        pd.DataFrame(reordered, columns=[*votes, "set"]).to_csv(folder / SETS, index=False)
    if tables == (SETS,):
        expected = expected[::-1]
    return rows(expected)

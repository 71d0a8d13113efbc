"""Seeded splits: the ten divisions of a task into train, val and test that the study draws itself.

Those that authors published are in :mod:`tsniqa.data.split_files`.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from tsniqa.data.task import PARTS, Task, too_small
from tsniqa.errors import ConfigError, DataError, unknown_name
from tsniqa.paths import is_file, remembered_digest
from tsniqa.seeds import generator

SPLITS = ("given", *(str(number) for number in range(10)))
_VAL_SHARE, _TEST_SHARE = 0.1, 0.2
_SHUFFLES = 200


def resplit(task: Task, split: str) -> Task:
    """Draw a new 70/10/20 split, disjoint in reference content.

    The protocol is the paper's (Zhang et al., TIP 2024). Whole reference groups are shuffled by a
    seed derived from the task's name and the split, then cut where the numbers of images come
    nearest to the shares, which several shuffles try. Byte-identical images count as the same
    content. The result depends on names and duplicates only, not on the order of rows.

    Args:
        task: The task.
        split: ``"given"`` (returns the task unchanged) or ``"0"`` to ``"9"``.

    Raises:
        ConfigError: ``split`` is none of :data:`SPLITS`.
        DataError: Fewer than three references, or too few images.
    """
    split = str(split)
    if split not in SPLITS:
        raise unknown_name("split", split, SPLITS)
    if split == "given":
        return task
    if small := too_small(task):
        raise DataError(f"task '{task.name}': {small}")
    content = contents(task)
    counts = content.value_counts().sort_index()
    if len(counts) < len(PARTS):
        raise DataError(
            f"task '{task.name}': {len(counts)} reference(s) cannot fill train, val and test"
            " without sharing content; correct the reference column"
        )
    parts = _assign_parts(counts, generator(int(split), task.name, "split"))
    return replace(task, table=task.table.assign(split=content.map(parts)))


def with_training_images(task: Task, images: int, seed: int) -> Task:
    """Keep some training images of a task, to learn what a number of labels is worth.

    They are the first in an order drawn from the seed and the task's name, so that the images of a
    smaller number are among those of a larger one. Validation and test images stay.

    Raises:
        ConfigError: The task has not so many.
    """
    training = np.flatnonzero(task.table["split"] == "train")
    if images > len(training):
        raise ConfigError(
            f"task '{task.name}' has {len(training)} training images, not {images}; ask for fewer"
        )
    kept = generator(seed, task.name, "training images").permutation(training)[:images]
    rows = np.union1d(kept, np.flatnonzero(task.table["split"] != "train"))
    return replace(task, table=task.table.iloc[rows].reset_index(drop=True))


def contents(task: Task) -> pd.Series:
    """Name the content of every row: its reference, joined with those that share an image."""
    references = task.table["reference"].astype(str)
    paths = [Path(task.root) / image for image in task.table["image"]]
    # A missing image, which is for check_task to report, is the same as no other.
    images = [remembered_digest(path) if is_file(path) else str(path) for path in paths]
    codes = pd.factorize(references)[0]
    pairs = (codes, len(paths) + pd.factorize(pd.Series(images))[0])
    graph = coo_array((np.ones(len(paths)), pairs), shape=(2 * len(paths), 2 * len(paths)))
    component = connected_components(graph, directed=False)[1][codes]
    return references.groupby(component).transform("min")


def _assign_parts(counts: pd.Series, random: np.random.Generator) -> dict[str, str]:
    """Map each reference to a part; ``counts`` holds its number of images, in name order."""
    sizes = counts.to_numpy()
    images, groups = sizes.sum(), len(sizes)
    best = (np.inf, np.arange(groups), 1, 2)
    for _ in range(_SHUFFLES):
        order = random.permutation(groups)
        ends = np.cumsum(sizes[order])
        # Every part keeps at least one reference, hence the bounds of the two searches.
        off_test = np.abs(ends[: groups - 2] - _TEST_SHARE * images)
        first = 1 + int(np.argmin(off_test))
        off_val = np.abs(ends[first : groups - 1] - ends[first - 1] - _VAL_SHARE * images)
        second = first + 1 + int(np.argmin(off_val))
        deviation = float(max(off_test.min(), off_val.min()))
        if deviation < best[0]:
            best = (deviation, order, first, second)
        if deviation <= 0.5:
            break
    _, order, first, second = best
    names = counts.index.to_numpy()[order]
    labels = ["test"] * first + ["val"] * (second - first) + ["train"] * (groups - second)
    return dict(zip(names, labels, strict=True))

"""How strongly heads are held back: an L2 penalty chosen within the training images."""

from collections.abc import Callable, Sequence

import numpy as np
from sklearn.model_selection import GroupKFold, KFold

from tsniqa.training.context import LabelledImages
from tsniqa.training.trainer import Epoch, Source

FOLDS = 5


def content_folds(
    references: np.ndarray, folds: int = FOLDS
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Part images [n] into those to learn from and those held out, several times.

    Held-out images show other contents: leaving out single images of a scene would favour heads
    that know the scenes. (Of a single content, images are held out all the same.) There
    are fewer parts where there are fewer contents, and none of a single image.
    """
    count, contents = len(references), len(set(references))
    if count < 2:
        return []
    if contents == 1:
        return list(KFold(min(folds, count)).split(references))
    return list(GroupKFold(min(folds, contents)).split(references, groups=references))


def choose_penalty(
    candidates: Sequence[float],
    sources: Sequence[Source],
    learn: Callable[[list[Source], list[Source], float], list[Epoch]],
) -> float:
    """Choose the penalty with the highest mean SRCC on held-out folds; of equals the first.

    Args:
        candidates: Penalties to try.
        sources: What heads learn from, with features.
        learn: Learns new heads from some sources with a penalty, and is judged by others.

    Returns:
        One of the candidates; the first where nothing can be measured, as on a handful of images.
    """
    cuts = [_judging_folds(source.images) for source in sources]
    means = []
    for penalty in candidates:
        found = []
        for fold in zip(*cuts, strict=False):
            parts = [
                [_part(source, rows[kind]) for source, rows in zip(sources, fold, strict=True)]
                for kind in (0, 1)
            ]
            found.append(learn(*parts, penalty)[-1].validation_srcc)
        means.append(np.mean(found) if found and np.isfinite(found).all() else -np.inf)
    return candidates[int(np.argmax(means))]


def _judging_folds(images: LabelledImages) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the folds whose held-out images differ in opinion: others rank nothing."""
    folds = content_folds(images.references)
    return [(own, held) for own, held in folds if len(images.mos[held].unique()) > 1]


def _part(source: Source, rows: np.ndarray) -> Source:
    images = source.images
    own = images._replace(mos=images.mos[rows], references=images.references[rows])
    return source._replace(images=own, features=source.features[rows])

"""Example images of a report: those of a rated dataset whose scores tell most."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from torch import Tensor, from_numpy
from tqdm import tqdm

from tsniqa.book.report import Gallery, example
from tsniqa.book.run_sheet import extremes, places
from tsniqa.data.task import Task
from tsniqa.errors import DataError
from tsniqa.model.readouts import Reading
from tsniqa.model.tsniqa import TSNIQA
from tsniqa.pixels import decode, shrink
from tsniqa.runtime import available_cores
from tsniqa.scoring.inputs import decode_ahead

EXAMPLES = 4
"""How many example images there are of every kind."""


def read_part(model: TSNIQA, task: Task, part: str) -> Reading:
    """Read a model's heads and gates of a part of a task.

    Raises:
        DataError: An image cannot be read, or lies outside the dataset's folder.
    """

    def decoded(path: Path) -> Tensor:
        return shrink(from_numpy(decode(path, task.root)).permute(2, 0, 1), model.shorter_side)

    def images() -> Iterator[Tensor]:
        paths = task.paths(part)
        ahead = decode_ahead(paths, decoded, available_cores())
        for _, found in tqdm(ahead, total=len(paths), unit="image", disable=None):
            if isinstance(found, DataError):
                raise found
            yield found

    return model.read(images())


def gallery(what: str, task: Task, part: str, lines: Mapping[int, Sequence[str]]) -> Gallery:
    """Show images of a part of a task, by their number in it, with what is said of each."""
    names, paths = task.part(part)["image"].tolist(), task.paths(part)
    return Gallery(what, [example(paths[i], task.root, names[i], own) for i, own in lines.items()])


def rated_galleries(task: Task, part: str, scores: np.ndarray, mos: np.ndarray) -> list[Gallery]:
    """Show the images of a part of a task that :func:`.extremes` puts first.

    Args:
        task: The task.
        part: Its part, of n images.
        scores: Of these images [n].
        mos: Their opinions [n].
    """
    predicted, opinion = places(scores), places(mos)

    def lines(i: int) -> list[str]:
        return [
            f"score {scores[i]:.2f}, place {predicted[i]} of {len(scores)}",
            f"opinion {mos[i]:g}, place {opinion[i]}",
        ]

    return [
        gallery(what.capitalize(), task, part, {i: lines(i) for i in found[:EXAMPLES]})
        for what, found in extremes(scores, mos).items()
    ]

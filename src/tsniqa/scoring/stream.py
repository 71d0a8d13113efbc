"""Scores of many image files, one after another in their order, with memory that does not grow."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from torch import Tensor

from tsniqa.errors import ConfigError, DataError, unknown_name
from tsniqa.model.profiles import TaskProfile
from tsniqa.model.readouts import Reading
from tsniqa.model.tsniqa import TSNIQA, Compute
from tsniqa.pixels import BATCH_IMAGES, BATCH_PIXELS, as_images, batches, shrink
from tsniqa.scoring.inputs import decode_ahead
from tsniqa.scoring.sparse import check_sparse, mix_read, read_needed

OnFailure = Callable[[DataError], object]
"""Is told why a file cannot be read."""


def score_files(
    model: TSNIQA,
    paths: Sequence[Path],
    readout: str | None = None,
    together: bool = False,
    on_failure: OnFailure | None = None,
    workers: int = 1,
    sparse: float | None = None,
    compute: Compute | None = None,
) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Score files and yield each with its row of :meth:`.TSNIQA.explain`, in their order.

    With a gate a row also names the ``nearest`` task, that of the smallest distance, and tells how
    ``unusual <task>`` the image is for every task with a profile: which percentage of its own
    held-out images is nearer to its centroids. ``unusual`` is the least of these: at 100 the image
    is farther from every task than all of that task's own.

    Files are decoded once and ahead, in threads of their own; neighbours of one size share a pass.

    Args:
        model: What scores.
        paths: The files.
        readout: As of :meth:`.TSNIQA.explain`; not used with ``together``.
        together: Whether all files belong to one set and share one weight of every head (the
            readout ``set``). Rows then come when the last file has been read; until then a few
            hundred bytes are kept of each.
        on_failure: Is told of files that cannot be read, which have no row; by default the first
            one's DataError is raised.
        workers: Number of decoding threads.
        sparse: Heads that the readout gives less weight than this are not read; rows then have the
            ``bound`` of :func:`.mix_read`, and NaN for what was not read. Not with ``together``.
        compute: As of :meth:`.TSNIQA.read`, for instance :meth:`.Engine.features`.

    Raises:
        ConfigError: ``sparse`` is out of range, or not possible.
        DataError: A file cannot be read, and there is no ``on_failure``.
    """
    mixed = "set" if together else readout or model.readout
    if sparse is None:
        read = partial(model.read, compute=compute)
    else:
        check_sparse(model, sparse, mixed)
        read = partial(read_needed, model, readout=mixed, epsilon=sparse, compute=compute)
    whole: list[tuple[list[Path], Reading]] = []
    for files, batch in _decoded(model, paths, on_failure, workers):
        reading = read(batch)
        if together:
            whole.append((files, reading))
        else:
            yield from _rows(model, files, reading, mixed, sparse is not None)
    if whole:
        files = [path for some, _ in whole for path in some]
        yield from _rows(model, files, Reading.joined([part for _, part in whole]), mixed)


def _decoded(
    model: TSNIQA, paths: Sequence[Path], on_failure: OnFailure | None, workers: int
) -> Iterator[tuple[list[Path], Tensor]]:
    """Yield batches of files with their images."""
    waiting: deque[Path] = deque()  # decoded, but not yet in a batch

    def decode(path: Path) -> Tensor:
        return shrink(next(as_images(path)), model.shorter_side)

    def images() -> Iterator[Tensor]:
        for path, found in decode_ahead(paths, decode, workers):
            if isinstance(found, DataError):
                if on_failure is None:
                    raise found
                on_failure(found)
            else:
                waiting.append(path)
                yield found

    # A GPU is only busy with many images at once.
    few = model.backbone.device.type == "cpu"
    for batch in batches(images(), BATCH_PIXELS if few else BATCH_PIXELS * BATCH_IMAGES):
        yield [waiting.popleft() for _ in batch], batch


def _rows(
    model: TSNIQA, paths: Sequence[Path], reading: Reading, readout: str, sparse: bool = False
) -> Iterator[tuple[Path, dict[str, Any]]]:
    table = explained(model, reading, readout)
    if sparse:
        found = mix_read(reading.heads, *model.mixture(reading, readout))
        table["score"], table["bound"] = found
    yield from zip(paths, table.to_dict("records"), strict=True)


def explained(model: TSNIQA, reading: Reading, readout: str | None = None) -> pd.DataFrame:
    """Tabulate what was read of N images: the rows of :func:`score_files`."""
    table = model.table(reading, readout)
    if reading.distances is not None:
        far = reading.distances.mean(axis=2)
        table["nearest"] = [model.tasks[task] for task in far.argmin(axis=1)]
        names = [task for task in model.tasks if task in model.profiles]
        for task in names:
            own = far[:, model.tasks.index(task)]
            table[f"unusual {task}"] = model.profiles[task].unusual(own)
        if names:
            table["unusual"] = table[[f"unusual {task}" for task in names]].min(axis=1)
    return table


def explained_columns(model: TSNIQA) -> list[str]:
    """Name what a row of :func:`score_files` has beside the score, in the order for people."""
    if model.gate is None:
        return []
    parts = [f"{part} {task}" for part in ("head", "weight") for task in model.tasks]
    parts += [f"distance {task}" for task in model.tasks]
    profiled = [task for task in model.tasks if task in model.profiles]
    parts += [f"unusual {task}" for task in profiled]
    return ["nearest", *(["unusual"] if profiled else []), *parts]


def check_scale(model: TSNIQA, task: str, readout: str) -> TaskProfile:
    """Return the profile that maps scores of a readout to a task's opinion scale.

    Raises:
        ConfigError: The model knows no such scale, or the readout's scores are not standardised.
    """
    known = [name for name, own in model.profiles.items() if own.scale is not None]
    if task not in known:
        raise unknown_name("scale", task, known or ["none in this model"])
    if readout not in ("calibrated", "set"):
        raise ConfigError(
            f"scores of the readout '{readout}' are on no scale that could be mapped; leave it out,"
            " or take calibrated or set"
        )
    return model.profiles[task]

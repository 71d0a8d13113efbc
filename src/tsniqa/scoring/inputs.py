"""The images that a user names: files as they are, of folders all images in them and below."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from torch import Tensor

from tsniqa.errors import ConfigError, DataError
from tsniqa.pixels import image_endings


def find_images(paths: Iterable[Path]) -> list[tuple[Path, Path | None]]:
    """List images in the order given, each with the folder of ``paths`` it was found through.

    Folders are searched with all folders below, by name; hidden files and folders are left out and
    links to folders not followed. A file that is named is taken as it is, whatever its ending: if
    it is missing or no image, decoding will say so.

    Raises:
        ConfigError: A folder holds no image, or cannot be read.
    """
    found: list[tuple[Path, Path | None]] = []
    for path in paths:
        if not path.is_dir():
            found.append((path, None))
            continue
        inside = list(_images_below(path))
        if not inside:
            raise ConfigError(
                f"no image in {path} or below; name another folder, or files of other endings"
            )
        found += [(image, path) for image in inside]
    return found


def _images_below(folder: Path) -> Iterator[Path]:
    endings = image_endings()

    def refuse(error: OSError) -> None:
        raise ConfigError(f"folder {error.filename} cannot be read: {error.strerror}") from error

    for place, folders, files in os.walk(folder, onerror=refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and Path(name).suffix.lower() in endings:
                yield Path(place) / name


def decode_ahead(
    paths: Sequence[Path], decode: Callable[[Path], Tensor], workers: int
) -> Iterator[tuple[Path, Tensor | DataError]]:
    """Decode files in other threads, a few ahead of the reader, and yield them in their order.

    Memory is bounded: no more than ``2 * workers`` decoded images wait.

    Args:
        paths: The files.
        decode: Turns one into a tensor, or raises a DataError, which takes the tensor's place.
        workers: Number of threads.
    """

    def tried(path: Path) -> Tensor | DataError:
        try:
            return decode(path)
        except DataError as error:
            return error

    waiting: deque = deque()
    pool = ThreadPoolExecutor(workers)
    try:
        for path in paths:
            waiting.append((path, pool.submit(tried, path)))
            if len(waiting) >= 2 * workers:
                first, future = waiting.popleft()
                yield first, future.result()
        for first, future in waiting:
            yield first, future.result()
    finally:
        pool.shutdown(cancel_futures=True)

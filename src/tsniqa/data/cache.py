"""Decoded images on disk, memory-mapped: large datasets are decoded once, for all runs.

One file holds one image. Its name is a hash of the image's bytes and of everything that decoding
depends on, so that an entry is never wrong, only unused. Processes may share the folder.
"""

import hashlib
import logging
import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from tsniqa.data.task import Task
from tsniqa.errors import ConfigError, DataError, missing_image
from tsniqa.paths import locked, remembered_digest, written_whole
from tsniqa.pixels import decode, refuse_outside, shrink
from tsniqa.runtime import available_cores

log = logging.getLogger("tsniqa")

#: Environment variable: most gigabytes (10^9 bytes) of decoded images to keep, default 64.
LIMIT_VARIABLE = "TSNIQA_DECODED_GB"
DISK_RESERVE = 2 * 10**9  # bytes of the disk that the cache leaves free
_DECODER = f"1 pillow {version('pillow')} torchvision {version('torchvision')}"
with suppress(PackageNotFoundError):
    _DECODER += f" pillow-heif {version('pillow-heif')}"


def limit_from_environment() -> int:
    """Return the cache's limit in bytes, or raise a ConfigError if it is not a number from 0."""
    text = os.environ.get(LIMIT_VARIABLE, "64")
    with suppress(ValueError, OverflowError):
        if (limit := int(float(text) * 10**9)) >= 0:
            return limit
    raise ConfigError(f"{LIMIT_VARIABLE} is '{text}'; give gigabytes as a number, 0 keeps no image")


class DecodedCache:
    """A folder of decoded images with a limit on its size.

    Args:
        folder: The folder; made when the first image is stored.
        shorter_side: Limit given to :func:`tsniqa.pixels.shrink`, or None.
        limit: Most bytes to keep, default :func:`limit_from_environment`.
    """

    def __init__(self, folder: Path, shorter_side: int | None, limit: int | None = None) -> None:
        self.folder = Path(folder)
        self.shorter_side = shorter_side
        self.limit = limit_from_environment() if limit is None else limit
        self._turn = threading.Lock()
        self._counted = False
        self._said_full = False

    def path(self, image: Path) -> Path:
        """Return where an image is stored, whether it is or not; the image itself must exist."""
        try:
            digest = remembered_digest(image)
        except OSError:
            raise missing_image(image) from None
        key = hashlib.sha256(f"{digest} {self.shorter_side} {_DECODER}".encode()).hexdigest()
        return self.folder / key[:2] / f"{key}.npy"

    def load(self, image: Path, root: Path | None = None) -> torch.Tensor:
        """Return an image as uint8 [3, H, W], decoding and storing it if it is not stored yet.

        A stored one is mapped copy-on-write: a crop reads its part of the file only, and nothing
        written to it reaches the disk.

        Args:
            image: The image file.
            root: Folder that the file must not leave.

        Raises:
            DataError: The image cannot be decoded, or lies outside.
        """
        refuse_outside(image, root)
        path = self.path(image)
        try:
            return torch.from_numpy(np.load(path, mmap_mode="c", allow_pickle=False))
        except (FileNotFoundError, NotADirectoryError):
            pass
        except (ValueError, EOFError, OSError):  # a damaged disk or a foreign file
            path.unlink(missing_ok=True)
        pixels = torch.from_numpy(decode(image, root)).permute(2, 0, 1)
        pixels = shrink(pixels, self.shorter_side).contiguous()
        try:
            self._store(path, pixels.numpy())
        except OSError as error:
            self._say_once(f"cannot be written ({error})")
        return pixels

    def _store(self, path: Path, pixels: np.ndarray) -> None:
        """Write one image unless the limit or the disk is reached."""
        # Locked, so that two processes together keep within the limit. Threads take turns before
        # it: waiting for a file's lock means asking for it again and again.
        with self._turn, locked(self.folder / ".lock"):
            used = self._used()
            size = pixels.nbytes + 128  # the header of an .npy file
            free = shutil.disk_usage(self.folder).free - DISK_RESERVE
            if used + size > self.limit or size > free:
                self._say_once(f"is full ({used / 1e9:.1f} GB)")
                return
            with written_whole(path) as partial, partial.open("wb") as file:
                np.save(file, pixels)
            (self.folder / "used").write_text(str(used + size), encoding="utf-8")

    def _used(self) -> int:
        """Return the bytes in use; the first call counts them, later ones read a note."""
        note = self.folder / "used"
        if self._counted and note.is_file():
            return int(note.read_text(encoding="utf-8") or 0)
        for partial in self.folder.glob("*/*.partial"):  # of a process that was killed
            partial.unlink()
        self._counted = True
        return sum(entry.stat().st_size for entry in self.folder.glob("*/*.npy"))

    def _say_once(self, what: str) -> None:
        if not self._said_full:
            self._said_full = True
            log.warning(
                "the cache of decoded images %s %s; further images are decoded at every use. Empty"
                " the folder, free disk space or change %s", self.folder, what, LIMIT_VARIABLE,
            )  # fmt: skip


def decode_tasks(tasks: Iterable[Task], cache: DecodedCache, workers: int | None = None) -> int:
    """Decode every image of some tasks into a cache; an interruption loses nothing stored.

    Args:
        tasks: The tasks; those made by a recipe of this package are left out.
        cache: Where decoded images are kept.
        workers: Threads, default one a core.

    Returns:
        Number of images that were decoded now.

    Raises:
        DataError: Images cannot be decoded; the message names the first and counts the others.
    """
    wanted = {}
    for task in tasks:
        if not task.made_here:
            wanted |= {task.root / image: task.root for image in task.table["image"]}
    # A file of the cache is small to look for, but naming it reads the whole image once.
    with ThreadPoolExecutor(workers or available_cores()) as pool:
        paths = pool.map(cache.path, wanted)
        missing = [image for image, path in zip(wanted, paths, strict=True) if not path.is_file()]
    problems = decode_each(missing, lambda image: cache.load(image, wanted[image]), workers)
    if problems:
        more = f" (and {len(problems) - 1} more images)" if len(problems) > 1 else ""
        raise DataError(f"{next(iter(problems.values()))}{more}; tsniqa data check lists them all")
    return len(missing)


def decode_each(
    images: list[Path], load: Callable[[Path], object], workers: int | None = None
) -> dict[Path, DataError]:
    """Apply a function to every image on threads; return those that cannot be used, with why."""

    def problem(image: Path) -> DataError | None:
        try:
            load(image)  # the result is not kept: thousands of images would not fit
        except DataError as error:
            return error
        return None

    if not images:
        return {}
    with ThreadPoolExecutor(workers or available_cores()) as pool:
        # After Ctrl-C, map finishes what is begun and starts no more.
        errors = list(tqdm(
            pool.map(problem, images), total=len(images), desc="decoding", unit="image",
            mininterval=progress_interval(), dynamic_ncols=True,
        ))  # fmt: skip
    return {image: error for image, error in zip(images, errors, strict=True) if error is not None}


def progress_interval() -> float:
    """Return the seconds between two lines of progress: fewer where they fill a log."""
    return 0.1 if sys.stderr.isatty() else 10.0

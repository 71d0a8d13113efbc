"""The folder of a saved model: safetensors files, and a JSON with a digest of every one of them."""

import hashlib
import json
import math
import re
from collections.abc import Container, Mapping
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from tsniqa.errors import WeightsError, one_line
from tsniqa.paths import file_digest, locked, remove_partials, written_whole

DESCRIPTION, SUFFIX = "model.json", ".safetensors"
FORMAT = 3  # version of the folder's layout
_NAMED = re.compile(rf"\.[0-9a-f]{{12}}{re.escape(SUFFIX)}$")  # how a file's name ends


def save_tensors(
    folder: str | Path, about: Mapping[str, Any], tensors: Mapping[str, Tensor]
) -> None:
    """Write tensors, named ``<file>/<name>``, and what a JSON says about them, to a folder.

    The folder is made if it is not there. It is always the old one or the new one, whatever
    happens meanwhile: files have a part of their digest in their name, so that none is changed, and
    the JSON, which lists them with format and digests, is replaced at once; then what it does not
    list is removed.
    """
    folder, digests = Path(folder), {}
    for file, own in sorted(grouped(tensors).items()):
        content = save({key: value.detach().cpu().contiguous() for key, value in own.items()})
        digest = hashlib.sha256(content).hexdigest()
        path = folder / f"{file}.{digest[:12]}{SUFFIX}"
        digests[path.name] = digest
        if not (path.is_file() and file_digest(path) == digest):
            with written_whole(path) as partial:
                partial.write_bytes(content)
    whole = {"format": FORMAT, **about, "files": digests}
    text = json.dumps({**whole, "digest": _digest(whole)}, indent=2)
    with written_whole(folder / DESCRIPTION) as partial:
        partial.write_text(text + "\n", encoding="utf-8")
    _remove_others(folder, digests)


def lock(folder: Path) -> FileLock:
    """Return the lock under which the model in a folder is changed; it lies beside the folder."""
    return locked(folder.parent / f".{folder.name}.lock")


def take_up(folder: Path) -> None:
    """Find out whether a folder can be written to, and remove what a killed save has left in it.

    Raises:
        OSError: It cannot be written to.
    """
    with lock(folder):
        if folder.is_dir():
            remove_partials(folder)
            TemporaryFile(dir=folder).close()
            if (folder / DESCRIPTION).is_file():
                _remove_others(folder, load_tensors(folder)[0]["files"])


def holds_nothing(folder: Path) -> bool:
    """Return whether there is no folder, or an empty one, or one whose first save was killed."""
    return not folder.exists() or (
        folder.is_dir()
        and all(_ours(path) or path.suffix == ".partial" for path in folder.iterdir())
    )


def _ours(path: Path) -> bool:
    return bool(_NAMED.search(path.name))


def _remove_others(folder: Path, files: Container[str]) -> None:
    """Remove files of tensors that a description does not list."""
    for path in folder.glob(f"*{SUFFIX}"):
        if path.name not in files and _ours(path):
            path.unlink(missing_ok=True)


def load_tensors(folder: str | Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read the description and the tensors, by ``<file>/<name>``, of :func:`save_tensors`.

    Raises:
        WeightsError: A file is missing, unreadable, of another format, or not the one saved.
    """
    folder = Path(folder)
    while True:
        text = None
        try:
            text = (folder / DESCRIPTION).read_bytes()
            return _load(folder, text)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError) as error:
            if text is not None and _replaced(folder, text):
                continue  # another process has saved meanwhile
            raise WeightsError(
                f"no saved model in {folder} ({one_line(error)}); restore the folder"
            ) from error


def _load(folder: Path, text: bytes) -> tuple[dict[str, Any], dict[str, Tensor]]:
    about, tensors = json.loads(text), {}
    if about["format"] != FORMAT:
        raise ValueError(f"its format is {about['format']}, not {FORMAT}")
    if about.get("digest", own := _digest(about)) != own:  # earlier folders have none
        raise ValueError(f"{DESCRIPTION} is not the file that was saved")
    for file, digest in about["files"].items():
        if Path(file).name != file or file_digest(folder / file) != digest:
            raise ValueError(f"{file} is not the file that was saved")
        for key, value in load_file(folder / file).items():
            tensors[f"{_NAMED.sub('', file).removesuffix(SUFFIX)}/{key}"] = value
    return about, tensors


def _replaced(folder: Path, text: bytes) -> bool:
    try:
        return (folder / DESCRIPTION).read_bytes() != text
    except OSError:
        return False


def _digest(about: Mapping[str, Any]) -> str:
    """Return the sha256 (hex) of a description but for its own digest."""
    plain = {name: value for name, value in about.items() if name != "digest"}
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def grouped(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Group entries ``<first>/<rest>`` by the first part of their names."""
    groups: dict[str, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        first, _, rest = key.partition("/")
        groups.setdefault(first, {})[rest] = value
    return groups


def fingerprint(tensors: Mapping[str, Tensor]) -> str:
    """Return the sha256 over names, shapes, dtypes and bits of tensors, in name order."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        value = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name}{tuple(value.shape)}{value.dtype}".encode())
        digest.update(value.numpy().tobytes())
    return digest.hexdigest()


def packed(mask: Tensor) -> Tensor:
    """Pack a boolean mask into uint8 [ceil(size / 8)], on the CPU."""
    return torch.from_numpy(np.packbits(mask.cpu().contiguous().numpy()))


def unpacked(bits: Tensor, shape: torch.Size) -> Tensor:
    """Return the boolean mask of a shape that :func:`packed` packed."""
    values = np.unpackbits(bits.numpy(), count=shape.numel())
    return torch.from_numpy(values.astype(bool)).reshape(shape)


def upper_triangle(matrix: np.ndarray) -> np.ndarray:
    """Return the upper triangle [C (C + 1) / 2] of a symmetric matrix [C, C], row by row."""
    return matrix[np.triu_indices(len(matrix))]


def symmetric(values: np.ndarray) -> np.ndarray:
    """Return the symmetric matrix [C, C] whose :func:`upper_triangle` is given."""
    width = (math.isqrt(8 * len(values) + 1) - 1) // 2
    matrix = np.zeros((width, width), dtype=values.dtype)
    matrix[np.triu_indices(width)] = values
    return matrix + np.triu(matrix, 1).T

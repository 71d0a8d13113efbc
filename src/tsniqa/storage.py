"""A folder of safetensors files and one JSON that describes them, with a digest of every file."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from tsniqa.errors import WeightsError
from tsniqa.paths import file_digest

SUFFIX = ".safetensors"


def save_tensors(
    folder: str | Path, about: Mapping[str, Any], tensors: Mapping[str, Tensor], name: str
) -> None:
    """Write tensors and their description; the description comes last.

    Args:
        folder: Is made if it is not there.
        about: What goes into the JSON, beside the digests.
        tensors: By ``<file>/<name>``; the part before the first slash chooses the file.
        name: The JSON file.
    """
    folder, files = Path(folder), {}
    for key, value in tensors.items():
        file, _, rest = key.partition("/")
        files.setdefault(file + SUFFIX, {})[rest] = value.detach().cpu().contiguous()
    folder.mkdir(parents=True, exist_ok=True)
    for file, own in files.items():
        save_file(own, folder / file)
    digests = {file: file_digest(folder / file) for file in sorted(files)}
    text = json.dumps({**about, "files": digests}, indent=2)
    (folder / name).write_text(text + "\n", encoding="utf-8")


def load_tensors(folder: str | Path, name: str, what: str) -> tuple[dict[str, Any], dict]:
    """Read what :func:`save_tensors` wrote.

    Args:
        folder: The folder.
        name: The JSON file.
        what: What the folder should be, for the message.

    Returns:
        The description, and tensors by ``<file>/<name>``.

    Raises:
        WeightsError: A file is missing, unreadable, or not the one that was saved.
    """
    folder = Path(folder)
    try:
        about = json.loads((folder / name).read_text(encoding="utf-8"))
        tensors = {}
        for file, digest in about["files"].items():
            if Path(file).name != file or file_digest(folder / file) != digest:
                raise ValueError(f"{file} is not the file that was saved")
            for key, value in load_file(folder / file).items():
                tensors[f"{file.removesuffix(SUFFIX)}/{key}"] = value
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError) as error:
        reason = " ".join(str(error).split())
        raise WeightsError(f"no {what} in {folder} ({reason}); restore the folder") from error
    return about, tensors


def packed(mask: Tensor) -> Tensor:
    """Pack a boolean mask into uint8 [ceil(size / 8)], on the CPU."""
    return torch.from_numpy(np.packbits(mask.cpu().contiguous().numpy()))


def unpacked(bits: Tensor, shape: torch.Size) -> Tensor:
    """Return the boolean mask of a shape that :func:`packed` packed."""
    values = np.unpackbits(bits.numpy(), count=shape.numel())
    return torch.from_numpy(values.astype(bool)).reshape(shape)

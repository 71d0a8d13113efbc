"""Recomputing a record: whether the same numbers come out again, and if not, what is different."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from tsniqa.errors import DataError
from tsniqa.storage import load_tensors
from tsniqa.study.config import ResolvedRun, resolve_run
from tsniqa.study.evaluation import srcc_matrix
from tsniqa.study.machines import largest_difference
from tsniqa.study.record import HISTORY, SHARED_ARRAYS, RunRecord
from tsniqa.study.runner import run

#: What of a description tells how its numbers came about in no way, or again.
_ASIDE = {"timings", "config", "shared", "commit", "run_id", "schema_version"}


@dataclass
class Verified:
    """What is different between a record and the one that was computed again, a line each."""

    origin: list[str]  #: how it came about: settings, code, versions, machine, data
    numbers: list[str]  #: its arrays, its model, its mean SRCC; none if all bits are the same


def verify(folder: Path, data_root: Path) -> Verified:
    """Compute a record again, in a temporary place, with its own settings and kind of device.

    Raises:
        TsniqaError: There is no record; or its data, its weights or such a device are missing.
    """
    old = RunRecord.load(folder)
    facts = old.description
    device = "cpu" if facts.device.startswith("CPU") else "cuda"
    resolve_again(old, data_root, device)  # other data are told before anything is learned
    with TemporaryDirectory(prefix="tsniqa-verify-") as place:
        made = run(old.config, data_root, Path(place), device, preset=facts.preset)
        new = RunRecord.load(made.folder)  # as stored: draws are rounded
        return Verified(list(_origins(old, new)), list(_numbers(old, new)))


def resolve_again(record: RunRecord, data_root: Path, device: str = "cpu") -> ResolvedRun:
    """Resolve the run of a record with its own settings, on the data that it learned from.

    Raises:
        DataError: The data here are others.
    """
    facts = record.description
    resolved = resolve_run(record.config, data_root, device, preset=facts.preset)
    for task in resolved.tasks:
        if task.fingerprint() != record.tasks[task.name].fingerprint:
            raise DataError(
                f"task '{task.name}' under {data_root} is not the one of run {facts.run_id}; "
                "give the data that it learned from"
            )
    return resolved


def _origins(old: RunRecord, new: RunRecord) -> Iterator[str]:
    before, now = _facts(old), _facts(new)
    for name in sorted(before | now):
        if before.get(name) != now.get(name):
            yield f"{name}: {before.get(name)}, now {now.get(name)}"


def _facts(record: RunRecord) -> dict[str, Any]:
    """Return what a description says, by dotted names."""
    whole = record.description.model_dump(mode="json", exclude=_ASIDE)
    whole["tasks"] = {task["name"]: task for task in whole["tasks"]}
    return pd.json_normalize(whole).iloc[0].dropna().to_dict()


def _numbers(old: RunRecord, new: RunRecord) -> Iterator[str]:
    before, now = _arrays(old), _arrays(new)
    for name in before | now:
        one, other = before.get(name), now.get(name)
        if one is None or other is None or one.shape != other.shape:
            yield f"{name}: {np.shape(one)} values, now {np.shape(other)}"
        elif one.tobytes() != other.tobytes():
            count = np.count_nonzero((one != other) & ~(np.isnan(one) & np.isnan(other)))
            largest = largest_difference(one, other)
            yield f"{name}: {count} of {one.size} values, by at most {largest:.2g}"
    if (old.test_images, _rows(old)) != (new.test_images, _rows(new)):
        yield "names of test images, or which head was scored after which task"
    if parts := _changed_parts(old.folder / "model", new.folder / "model"):
        yield f"model: {', '.join(parts)}"
    for readout in [name for name in old.readouts if name in new.readouts]:
        means = [float(srcc_matrix(record, readout)[-1].mean()) for record in (old, new)]
        if means[0] != means[1] and not np.isnan(means).all():
            moved = means[1] - means[0]
            yield f"mean SRCC ({readout}): {means[0]:.4f}, now {means[1]:.4f} ({moved:+.2g})"


def _arrays(record: RunRecord) -> dict[str, np.ndarray]:
    """Return all numbers of a record by name."""
    names = ("scores", *SHARED_ARRAYS, "correlations", "draws")
    arrays = {name.replace("_", " "): getattr(record, name) for name in names}
    arrays["levels of heads"] = np.array([(event.mean, event.spread) for event in record.events])
    for name in [name for name, dtype in HISTORY.items() if dtype != "uint8"]:
        arrays[f"history, {name.replace('_', ' ')}"] = record.history[name].to_numpy()
    return {name: array for name, array in arrays.items() if array is not None}


def _rows(record: RunRecord) -> list[tuple]:
    return [event[:2] for event in record.events]


def _changed_parts(old: Path, new: Path) -> list[str]:
    """Name the files of a model that are others; published records come without one."""
    if not (old.is_dir() and new.is_dir()):
        return []
    (_, before), (_, now) = load_tensors(old), load_tensors(new)
    return sorted({
        name.partition("/")[0]
        for name in before | now
        if name not in before or name not in now or not before[name].equal(now[name])
    })  # fmt: skip

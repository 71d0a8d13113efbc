"""Records made here beside published ones: which belong together, and how far they differ."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tsniqa.errors import RecordError
from tsniqa.strategies import STRATEGIES
from tsniqa.study.presets import load_preset
from tsniqa.study.record import RunRecord, find_records

COMPARED = ("scores", "gate distances", "SRCC")
"""What :func:`compare` takes the largest absolute difference of."""


def compare(local_dir: Path, published_dir: Path) -> pd.DataFrame:
    """Compare the records of one folder with those of the same runs in another.

    The identity of a run covers configuration, backbone and data, not the machine; so what differs
    here is what another processor, another library version or an error makes of the same run.

    Args:
        local_dir: Folder of record folders; it need not exist.
        published_dir: Another one.

    Returns:
        One row for every run that both have: ``run``, the largest absolute difference of each of
        :data:`COMPARED` (infinite where a value is missing on one side alone, NaN where neither
        has any), ``here`` and ``published`` (the devices).

    Raises:
        RecordError: A record is unreadable, or two records of a run differ in shape.
    """
    columns = ["run", *COMPARED, "here", "published"]
    rows = []
    for path in sorted(local_dir.glob("*/record.json")):
        folder = published_dir / path.parent.name
        if not (folder / "record.json").is_file():
            continue
        local, published = RunRecord.load(path.parent), RunRecord.load(folder)
        pairs = (
            (local.scores, published.scores),
            (local.distances, published.distances),
            (_srcc_values(local), _srcc_values(published)),
        )
        differences = [_largest_difference(*pair, path.parent, folder) for pair in pairs]
        devices = local.description.device, published.description.device
        rows.append([local.description.run_id, *differences, *devices])
    return pd.DataFrame(rows, columns=columns)


def _srcc_values(record: RunRecord) -> np.ndarray | None:
    return None if record.correlations is None else record.correlations[..., 0]


def _largest_difference(
    first: np.ndarray | None, second: np.ndarray | None, here: Path, there: Path
) -> float:
    """Return the largest absolute difference; equal and both-missing values differ by 0."""
    if first is None and second is None:
        return float("nan")
    if first is None or second is None or first.shape != second.shape:
        raise RecordError(
            f"the records {here} and {there} are of one run but hold different values; "
            f"delete {here} and run it again"
        )
    first, second = first.astype(np.float64), second.astype(np.float64)
    one_missing = np.isnan(first) != np.isnan(second)
    differences = np.where(one_missing, np.inf, np.nan_to_num(np.abs(first - second)))
    return float(differences.max(initial=0.0))


def published_runs(
    results_dir: Path,
    preset: str,
    seeds: Sequence[int],
    split: str = "given",
    like: RunRecord | None = None,
    task_order: Sequence[str] | None = None,
    changed: Mapping[str, Any] | None = None,
) -> dict[str, list[RunRecord]]:
    """Find the published records of one experiment, every strategy's.

    Args:
        results_dir: Folder of published records; it need not exist.
        preset: Name of the preset.
        seeds: Wanted seeds.
        split: Split of the runs.
        like: A record whose order, overrides, preset values, backbone, code version and data the
            others must share (a strategy's own weight is the checkout's preset's). None is the
            record of ``tsn`` without overrides by the newest version of the code.
        task_order: Order of that record; None is the preset's own.
        changed: Values of the preset, by name, in which the wanted records do differ from it, by
            an override each.

    Returns:
        By strategy (those that are registered first), its records by seed. Nothing is returned
        where there is nothing to be like.
    """
    wanted = {"preset": preset, "split": split, "splits_from": None}
    found = [
        record for record in find_records(results_dir, **wanted) if record.config.seed in set(seeds)
    ]
    plain = [record for record in found if _is_plain_tsn(record, task_order)]
    newest = max(plain, key=lambda record: record.description.results_version, default=None)
    like = like or newest
    names = [*STRATEGIES, *sorted({record.config.strategy for record in found} - set(STRATEGIES))]
    runs = {
        name: sorted(
            (
                record
                for record in found
                if record.config.strategy == name
                and like
                and _same_experiment(like, record, changed or {})
            ),
            key=lambda record: record.config.seed,
        )
        for name in names
    }
    return {name: records for name, records in runs.items() if records}


def require(
    runs: Mapping[str, Sequence[RunRecord]], strategy: str, preset: str, seed: int, split: str
) -> RunRecord:
    """Return the first record of a strategy.

    Raises:
        RecordError: There is none; the message has the command that makes it.
    """
    if runs.get(strategy):
        return runs[strategy][0]
    raise RecordError(
        f"no published record of {strategy} on preset '{preset}', seed {seed}, split '{split}'; "
        f"make it with: tsniqa run --no-page --preset {preset} --strategy {strategy} --seed {seed} "
        f"--split {split} --data-root DIR --results-dir DIR"
    )


def joined(
    here: Mapping[str, Sequence[RunRecord]], published: Mapping[str, Sequence[RunRecord]]
) -> dict[str, list[RunRecord]]:
    """Put records made here and published ones together; a run that both have counts once."""
    runs = {}
    for name in dict.fromkeys([*here, *published]):
        own = list(here.get(name, ()))
        seeds = {record.config.seed for record in own}
        runs[name] = own + [
            record for record in published.get(name, ()) if record.config.seed not in seeds
        ]
    return runs


def origin_table(
    here: Mapping[str, Sequence[RunRecord]], published: Mapping[str, Sequence[RunRecord]]
) -> pd.DataFrame:
    """Say which seeds of each strategy were run here and which are read from published records.

    Args:
        here: Records by strategy.
        published: The same; a seed that was run here is not counted as read.

    Returns:
        One row for every registered strategy and every other that has records: ``strategy``,
        ``computed here (seeds)``, ``read from published records (seeds)``; a dash for none, and
        ``not run`` where there are neither.
    """
    rows = []
    for name in dict.fromkeys([*STRATEGIES, *here, *published]):
        own = [record.config.seed for record in here.get(name, ())]
        seeds = {record.config.seed for record in published.get(name, ())}
        read = sorted(seeds - set(own))
        rows.append((name, _seeds(own), _seeds(read) if own or read else "not run"))
    columns = ["strategy", "computed here (seeds)", "read from published records (seeds)"]
    return pd.DataFrame(rows, columns=columns)


def _seeds(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, seeds)) or "–"


def _is_plain_tsn(record: RunRecord, task_order: Sequence[str] | None) -> bool:
    config = record.config
    in_order = record.order == list(task_order or record.description.preset.tasks)
    return config.strategy == "tsn" and not config.overrides and in_order


def _same_experiment(first: RunRecord, second: RunRecord, changed: Mapping[str, Any]) -> bool:
    overrides = second.config.overrides
    if {name: overrides.get(name) for name in changed} != dict(changed):
        return False
    same = _experiment(first, changed) == _experiment(second, changed)
    same = same and weight_is_current(second)
    return same and all(
        task.fingerprint == second.tasks[task.name].fingerprint
        for task in first.description.tasks
        # Every seed draws simulated images of its own.
        if not task.simulated or first.config.seed == second.config.seed
    )


def _experiment(record: RunRecord, changed: Mapping[str, Any]) -> tuple[object, ...]:
    description = record.description
    # Weights belong to single strategies; a strategy's own is compared with the preset's.
    left_out = {"weights", *changed}
    preset = description.preset.model_dump(exclude={"description", "backbone", *left_out})
    overrides = {k: v for k, v in record.config.overrides.items() if k not in left_out}
    backbone = description.fingerprints["backbone"]
    return preset, overrides, record.order, backbone, description.results_version


def weight_is_current(record: RunRecord) -> bool:
    """Tell whether a record's strategy had the weight that its preset has now."""
    name = record.config.strategy
    present = load_preset(record.config.preset).weights.get(name)
    return record.description.preset.weights.get(name) == present


def minutes(record: RunRecord, kind: str) -> float:
    """Add up a record's times over its tasks.

    Args:
        record: A finished run.
        kind: ``"learning"`` or ``"scoring"``.

    Returns:
        Minutes.
    """
    seconds = (
        value for name, value in record.description.timings.items() if name.startswith(f"{kind} ")
    )
    return sum(seconds) / 60


def image_milliseconds(record: RunRecord) -> float:
    """Return the time to score one image with all heads of the final model, in milliseconds.

    Measured at the end of a run, on the test images of its last task; the gate's own pass is not in
    it. NaN in records that were made before this was measured.
    """
    seconds = record.description.timings.get("all heads", float("nan"))
    return 1000 * seconds / len(record.description.test_images[record.order[-1]])

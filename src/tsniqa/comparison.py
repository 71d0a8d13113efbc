"""Records made here beside published ones: which belong together, and how far they differ."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from tsniqa.errors import RecordError
from tsniqa.records import RunRecord, find_records, iterate_records

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


def published_like(
    here: Sequence[RunRecord], published_dir: Path, seeds: Sequence[int]
) -> list[RunRecord]:
    """Find published records of the same experiment with other seeds.

    Args:
        here: Records made here, which differ in their seeds alone; at least one.
        published_dir: Folder of published records; it need not exist.
        seeds: Wanted seeds; those of ``here`` are left out, so that no run counts twice.

    Returns:
        Records that agree in everything that determines results but the seed (strategy, order,
        split, overrides, preset values, backbone weights, code version), by seed.
    """
    record, config = here[0], here[0].config
    present = {one.config.seed for one in here}
    same = {
        "strategy": config.strategy,
        "split": config.split,
        "overrides": config.overrides,
        "splits_from": config.splits_from,
        "task_order": record.order,
    }
    return sorted(
        (
            other
            for other in find_records(published_dir, **same)
            if other.config.seed in set(seeds) - present and _same_experiment(record, other)
        ),
        key=lambda other: other.config.seed,
    )


def published_runs(
    results_dir: Path, preset: str, seed: int, split: str = "given"
) -> dict[str, list[RunRecord]]:
    """Find the published records of one experiment, every strategy's.

    Args:
        results_dir: Folder of published records.
        preset: Name of the preset.
        seed: Seed of the runs.
        split: Split of the runs.

    Returns:
        By strategy (``tsn`` first, then by name), one record in the preset's own task order without
        overrides or imported splits, of the experiment of the ``tsn`` record.

    Raises:
        RecordError: There is no record of ``tsn``; the message has the command that makes it.
    """
    wanted = {"preset": preset, "seed": seed, "split": split, "overrides": {}, "splits_from": None}
    found = {
        record.config.strategy: record
        for record in find_records(results_dir, **wanted)
        if record.order == list(record.description.preset.tasks)
    }
    if "tsn" not in found:
        raise RecordError(
            f"no record of tsn on preset '{preset}', seed {seed}, split '{split}' in {results_dir};"
            f" make it with: tsniqa run --no-page --preset {preset} --strategy tsn --seed {seed} "
            f"--split {split} --data-root DIR --results-dir {results_dir}"
        )
    names = sorted(found, key=lambda name: (name != "tsn", name))
    return {name: [found[name]] for name in names if _same_experiment(found["tsn"], found[name])}


def origin_table(
    here: Mapping[str, Sequence[RunRecord]], published: Mapping[str, Sequence[RunRecord]]
) -> pd.DataFrame:
    """Say which seeds of each strategy were run here and which are read from published records.

    Args:
        here: Records by strategy.
        published: The same.

    Returns:
        Columns ``strategy``, ``computed here (seeds)``, ``read from published records (seeds)``; a
        dash for none.
    """
    rows = [(name, _seeds(here[name]), _seeds(published.get(name, ()))) for name in here]
    columns = ["strategy", "computed here (seeds)", "read from published records (seeds)"]
    return pd.DataFrame(rows, columns=columns)


def _seeds(records: Sequence[RunRecord]) -> str:
    return ", ".join(str(record.config.seed) for record in records) or "–"


def _same_experiment(first: RunRecord, second: RunRecord) -> bool:
    return _experiment(first) == _experiment(second)


def _experiment(record: RunRecord) -> tuple[object, ...]:
    description = record.description
    preset = description.preset.model_dump(exclude={"description", "backbone"})
    return preset, description.fingerprints["backbone"], description.results_version


def run_overview(results_dir: Path) -> pd.DataFrame:
    """List all records of a folder.

    Args:
        results_dir: Folder of record folders; it need not exist.

    Returns:
        One row a record, in folder-name order: ``run``, ``preset``, ``strategy``, ``seed``,
        ``split``, ``tasks`` (how many), ``learning`` and ``scoring`` (minutes), ``filters`` (of the
        reference network at the end: bitwise as at the start, or not), ``device``, ``commit``.
    """
    rows = []
    for record in iterate_records(results_dir):
        description, config = record.description, record.config
        rows.append(
            {
                "run": description.run_id,
                "preset": config.preset,
                "strategy": config.strategy,
                "seed": config.seed,
                "split": config.split,
                "tasks": len(record.order),
                "learning": minutes(record, "learning"),
                "scoring": minutes(record, "scoring"),
                "filters": "unchanged" if filters_unchanged(record) else "changed",
                "device": description.device,
                "commit": (description.commit or "unknown")[:10],
            }
        )
    columns = "run preset strategy seed split tasks learning scoring filters device commit"
    return pd.DataFrame(rows, columns=columns.split())


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


def filters_unchanged(record: RunRecord) -> bool:
    """Tell whether the backbone's filters after the run are bitwise those before it."""
    fingerprints = record.description.fingerprints
    return fingerprints["filters before"] == fingerprints["filters after"]


def fingerprint_table(*results_dirs: Path) -> pd.DataFrame:
    """List what the records of some folders were made from.

    Returns:
        One row for every distinct backbone and every distinct task data: ``kind``, ``name``,
        ``seed`` (of the draw of simulated images; empty for images that no seed changes),
        ``split``, ``fingerprint`` (sha256, hex) and ``records`` (how many used it).
    """
    rows = []
    for record in (record for folder in results_dirs for record in iterate_records(folder)):
        description = record.description
        backbone = description.fingerprints["backbone"]
        rows.append(("backbone", description.backbone.model, "", "", backbone))
        for task in description.tasks:
            seed = str(record.config.seed) if task.simulated else ""
            rows.append(("task", task.name, seed, record.config.split, task.fingerprint))
    columns = ["kind", "name", "seed", "split", "fingerprint"]
    counted = pd.DataFrame(rows, columns=columns).groupby(columns).size()
    return counted.rename("records").reset_index()


def version_table(*results_dirs: Path) -> pd.DataFrame:
    """List the library versions that records were made with.

    Returns:
        One row a library, one column for every distinct set of versions with its number of
        records.
    """
    sets: dict[tuple[tuple[str, str], ...], int] = {}
    for record in (record for folder in results_dirs for record in iterate_records(folder)):
        key = tuple(record.description.versions.items())
        sets[key] = sets.get(key, 0) + 1
    columns = {
        f"set {number} ({count} record{'s' * (count > 1)})": dict(key)
        for number, (key, count) in enumerate(sets.items(), start=1)
    }
    return pd.DataFrame(columns)

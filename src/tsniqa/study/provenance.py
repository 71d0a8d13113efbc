"""Where records come from: devices, times, versions, and fingerprints of what was used."""

from pathlib import Path

import pandas as pd

from tsniqa.study.comparison import minutes
from tsniqa.study.record import RunRecord, iterate_records


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

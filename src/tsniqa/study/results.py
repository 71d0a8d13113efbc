"""Results of many records as one tidy table, and how records are found."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tsniqa.errors import RecordError
from tsniqa.strategies import STRATEGIES
from tsniqa.study.config import load_preset
from tsniqa.study.evaluation import MEASURES, agreement_matrix, srcc_matrix, summary
from tsniqa.study.record import RunRecord

ALL_TASKS = "all tasks"  # the task of measures that summarise a run
COLUMNS = ["record", "strategy", "seed", "split", "readout", "step", "task", "measure", "value"]


def results(
    records: Iterable[RunRecord],
    readouts: Sequence[str] | None = None,
    measures: Sequence[str] = (*MEASURES, "agreement"),
) -> pd.DataFrame:
    """Tabulate what records say, one value a row.

    Args:
        records: Finished runs.
        readouts: Only these, where a record has them; None is all.
        measures: Which cells of matrices to give: ``srcc``, ``plcc``, ``krcc`` (with opinion
            scores) and ``agreement`` (with the predictions right after the task was learned).

    Returns:
        The columns :data:`COLUMNS`. ``step`` is the number of tasks learned, from 1. A matrix has a
        row for every step and task learned by then; :data:`tsniqa.study.evaluation.SUMMARY` stands
        at the last step, of :data:`ALL_TASKS`. NaN where a strategy has no such measure.
    """
    rows = []
    for record in records:
        config, last = record.config, len(record.order)
        known = (record.description.run_id, config.strategy, config.seed, config.split)
        for readout in [r for r in record.readouts if readouts is None or r in readouts]:
            for measure in measures:
                if measure == "agreement":
                    matrix = agreement_matrix(record, readout)
                else:
                    matrix = srcc_matrix(record, readout, measure=measure)
                for t, s in zip(*np.tril_indices(last), strict=True):
                    place = (readout, int(t) + 1, record.order[s], measure)
                    rows.append((*known, *place, float(matrix[t, s])))
            for measure, value in summary(record, readout).items():
                rows.append((*known, readout, last, ALL_TASKS, measure, value))
    return pd.DataFrame(rows, columns=COLUMNS)


def find_records(results_dir: Path, **wanted: object) -> list[RunRecord]:
    """Find finished records, in folder-name order, in a folder that need not exist.

    ``wanted`` are values of :class:`~tsniqa.study.config.RunConfig` fields, such as
    ``preset="mini"``; a ``task_order`` of None matches any order.
    """
    order = wanted.pop("task_order", None)
    found = [RunRecord.load(path.parent) for path in sorted(results_dir.glob("*/record.json"))]
    return [
        record
        for record in found
        if all(getattr(record.config, name) == value for name, value in wanted.items())
        and (order is None or record.order == list(order))
    ]


def find_experiment(
    results_dir: Path,
    preset: str,
    seeds: Sequence[int],
    split: str = "given",
    like: RunRecord | None = None,
    task_order: Sequence[str] | None = None,
    changed: Mapping[str, Any] | None = None,
) -> dict[str, list[RunRecord]]:
    """Find the records of one experiment, every strategy's and seed's.

    Args:
        results_dir: Folder of records; it need not exist.
        preset: Name of the preset.
        seeds: Wanted seeds.
        split: Split of the runs.
        like: A record whose order, preset values, backbone, code version and data the others share
            (a strategy's own weight is the preset's); None: the newest plain one of ``tsn``.
        task_order: Order of that record; None is the preset's own.
        changed: Values of the preset, by name, that the wanted records have in place of its.

    Returns:
        By strategy, as they are registered, its records by seed; empty without one to be like.
    """
    records = find_records(results_dir, preset=preset, split=split, splits_from=None)
    records = [record for record in records if record.config.seed in seeds]
    if like is None:
        plain = [
            one
            for one in records
            if (one.strategy, one.config.overrides) == ("tsn", {})
            and one.order == list(task_order or one.description.preset.tasks)
        ]
        like = max(plain, key=lambda one: one.description.results_version, default=None)
    if like is None:
        return {}
    weights = load_preset(preset).weights
    runs: dict[str, list[RunRecord]] = {name: [] for name in STRATEGIES}
    for record in sorted(records, key=lambda one: (one.strategy, one.config.seed)):
        name, own_weights = record.strategy, record.description.preset.weights
        wanted = _experiment(like, record.config.seed) | dict(changed or {})
        same = _experiment(record, like.config.seed) == wanted
        if same and own_weights.get(name) == weights.get(name):
            runs.setdefault(name, []).append(record)
    return {name: own for name, own in runs.items() if own}


def _experiment(record: RunRecord, seed: int) -> dict[str, Any]:
    """Return what a record shares with those of its experiment that have a seed."""
    facts = record.description
    same_seed = record.config.seed == seed  # every seed draws simulated images of its own
    return {
        **facts.preset.model_dump(exclude={"description", "backbone", "weights"}),
        "order": record.order,
        "backbone": facts.fingerprints["backbone"],
        "version": facts.results_version,
        "data": [task.fingerprint for task in facts.tasks if same_seed or not task.simulated],
    }


def require(
    runs: Mapping[str, Sequence[RunRecord]], strategy: str, preset: str, seed: int, split: str
) -> RunRecord:
    """Return a strategy's first record; without any, a RecordError has the command to make it."""
    if runs.get(strategy):
        return runs[strategy][0]
    raise RecordError(
        f"no published record of {strategy} on preset '{preset}', seed {seed}, split '{split}'; "
        f"make it with: tsniqa run --preset {preset} --strategy {strategy} --seed {seed} "
        f"--split {split} --data-root DIR --results-dir DIR"
    )


def largest_differences(local_dir: Path, published_dir: Path) -> pd.DataFrame:
    """Compare the records of one folder, if it exists, with those of the same runs in another.

    A run's identity does not cover the machine: what differs is what another processor, another
    library version or an error makes of the same run.

    Returns:
        For every run that both have: ``run``, the largest absolute differences of ``scores``,
        ``gate distances`` and ``SRCC`` (infinite where one alone lacks a value, NaN where both lack
        all), ``here`` and ``published`` (the devices).

    Raises:
        RecordError: A record is unreadable, or two records of a run differ in shape.
    """
    rows = []
    for path in sorted(local_dir.glob("*/record.json")):
        here, there = path.parent, published_dir / path.parent.name
        if not (there / "record.json").is_file():
            continue
        pair = RunRecord.load(here), RunRecord.load(there)
        shapes = [(record.scores.shape, np.shape(record.distances)) for record in pair]
        if shapes[0] != shapes[1]:
            raise RecordError(
                f"the records {here} and {there} are of one run but hold different values; "
                f"delete {here} and run it again"
            )
        tables = [results([one], measures=["srcc"]).query("measure == 'srcc'") for one in pair]
        srcc = [table["value"].to_numpy() for table in tables]
        parts = [one.scores for one in pair], [one.distances for one in pair], srcc
        differences = [_largest_difference(*part) for part in parts]
        rows.append([here.name, *differences, *(one.description.device for one in pair)])
    names = ["run", "scores", "gate distances", "SRCC", "here", "published"]
    return pd.DataFrame(rows, columns=names)


def _largest_difference(first: np.ndarray | None, second: np.ndarray | None) -> float:
    """Return the largest absolute difference; values that are missing on both sides are equal."""
    if first is None:
        return float("nan")
    difference = np.abs(first.astype(np.float64) - second)
    one_missing = np.isnan(first) != np.isnan(second)
    return float(np.where(one_missing, np.inf, np.nan_to_num(difference)).max(initial=0.0))

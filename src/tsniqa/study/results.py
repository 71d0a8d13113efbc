"""Results of many records as tidy tables, and how records are found."""

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tsniqa.errors import RecordError
from tsniqa.metrics import interval
from tsniqa.strategies import STRATEGIES
from tsniqa.study.bootstrap import draws
from tsniqa.study.comparison import run_key
from tsniqa.study.config import load_preset
from tsniqa.study.evaluation import MEASURES, agreement_matrix, srcc_matrix, summary
from tsniqa.study.record import RunRecord

ALL_TASKS = "all tasks"  # the task of measures that summarise a run
COLUMNS = ["record", "strategy", "seed", "split", "readout", "step", "task", "measure", "value"]

SUMMARY_KEYS = ["preset", "backbone", "strategy", "seed", "split", "readout", "task", "measure"]
"""Columns of :func:`summary_table` that tell its rows apart; then ``value``, ``low``, ``high``."""

SUMMARY_READOUTS = ("oracle", "gated", "calibrated", "set", "uniform", "half", "single")


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


def summary_table(records: Iterable[RunRecord]) -> pd.DataFrame:
    """Summarise runs of presets as they are, in their own order: what is published as one file.

    Args:
        records: Finished runs; those of changed presets, orders or split files are left out.

    Returns:
        The columns :data:`SUMMARY_KEYS`, ``value`` and the ends ``low`` and ``high`` of its 95%
        interval over references within the run, all rounded to 4 decimals. ``srcc`` and ``plcc``
        after the last task, of every task, their ``mean`` and ``weighted mean`` (by test images);
        the other measures of :data:`tsniqa.study.evaluation.SUMMARY`, of the task ``run``. Only
        ``srcc`` has intervals; NaN where a strategy lacks a measure.

    Raises:
        RecordError: Two records are of the same run.
    """
    rows, known = [], {}
    for record in filter(_plain, records):
        facts = record.description
        run = (record.config.preset, facts.backbone.name, record.strategy, *run_key(record))
        if run in known:
            raise RecordError(
                f"the records {known[run]} and {facts.run_id} are of the same run; delete the one "
                "that is out of date"
            )
        known[run] = facts.run_id
        for readout in [one for one in SUMMARY_READOUTS if one in record.readouts]:
            rows += [(*run, readout, *row) for row in _summary_rows(record, readout)]
    table = pd.DataFrame(rows, columns=[*SUMMARY_KEYS, "value", "low", "high"])
    return table.sort_values(SUMMARY_KEYS[:5], kind="stable", ignore_index=True)


def _summary_rows(record: RunRecord, readout: str) -> list[tuple]:
    """Return the last columns of a run's rows in :func:`summary_table`, from ``task`` on."""
    rows, tasks = [], record.order
    counts = [record.tasks[task].images["test"] for task in tasks]
    for measure in ("srcc", "plcc"):
        values = srcc_matrix(record, readout, measure=measure)[-1]
        drawn = np.full((len(tasks), 1), np.nan)
        if measure == "srcc":
            drawn = np.array([draws(record, readout, task) for task in tasks])
        for task, value, own in zip(tasks, values, drawn, strict=True):
            rows.append((task, measure, value, *interval(own)))
        for name, weights in (("mean", None), ("weighted mean", counts)):
            mean, own = (np.average(it, axis=0, weights=weights) for it in (values, drawn))
            rows.append((name, measure, mean, *interval(own)))
    whole = list(summary(record, readout).items())[2:]  # the first two are means of SRCC
    rows += [("run", measure, value, np.nan, np.nan) for measure, value in whole]
    return [(*row[:2], *(round(float(value), 4) + 0.0 for value in row[2:])) for row in rows]


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
    splits: Sequence[str] = ("given",),
    like: RunRecord | None = None,
    task_order: Sequence[str] | None = None,
    changed: Mapping[str, Any] | None = None,
) -> dict[str, list[RunRecord]]:
    """Find the records of one experiment, of every strategy, seed and split.

    Args:
        results_dir: Folder of records; it need not exist.
        preset: Name of the preset.
        seeds: Wanted seeds.
        splits: Wanted splits.
        like: A record whose order, preset values, backbone, code version and data the others share
            (a strategy's own weight is the preset's); None: the newest plain one of ``tsn``, on the
            preset's own backbone if there is one.
        task_order: Order of that record; None is the preset's own.
        changed: Values of the preset, by dotted path (``schedule.released.ties``, ``weights.lwf``),
            that the wanted records have in place of its.

    Returns:
        By strategy, as they are registered, its records by seed and split; empty without one to be
        like.
    """
    records = [
        record
        for record in find_records(results_dir, preset=preset, splits_from=None)
        if record.config.seed in seeds
        and record.config.split in splits
        and record.config.training_images is None
    ]
    if like is None:
        plain = [one for one in records if one.strategy == "tsn" and _plain(one, task_order)]
        like = max(plain, key=_rank, default=None)
    if like is None:
        return {}
    now = load_preset(preset)
    runs: dict[str, list[RunRecord]] = {name: [] for name in STRATEGIES}
    for record in sorted(records, key=run_key):
        name, own = record.strategy, record.description.preset
        wanted = _experiment(like, record)
        wanted |= {"weights": dict(now.weights), "rates": dict(now.rates)}
        for path, value in (changed or {}).items():
            *parents, last = path.split(".")
            reduce(getitem, parents, wanted)[last] = value
        tuned = _tuned(name, wanted.pop("weights"), wanted.pop("rates"))
        if tuned == _tuned(name, own.weights, own.rates) and _experiment(record, like) == wanted:
            runs.setdefault(name, []).append(record)
    return {name: own for name, own in runs.items() if own}


def _rank(record: RunRecord) -> tuple[bool, int]:
    """Rank what an experiment is like: on the preset's own backbone before others, then newer."""
    return record.config.backbone is None, record.description.results_version


def _tuned(
    strategy: str, weights: Mapping[str, float], rates: Mapping[str, float]
) -> tuple[float | None, float | None]:
    """Return a strategy's main weight, the one given or its default, and its rate if given."""
    known = STRATEGIES.get(strategy)
    return weights.get(strategy, known.default_weight if known else None), rates.get(strategy)


def _plain(record: RunRecord, task_order: Sequence[str] | None = None) -> bool:
    """Tell whether a run changed nothing of its preset, and had an order (None: the preset's)."""
    order = list(task_order or record.description.preset.tasks)
    config = record.config
    changed = config.overrides or config.splits_from or config.training_images
    return not changed and record.order == order


def _experiment(record: RunRecord, other: RunRecord) -> dict[str, Any]:
    """Return what a record shares with another of its experiment."""
    facts = record.description
    # Every split has parts of its own; every seed draws simulated images of its own.
    same_split = record.config.split == other.config.split
    same_run = same_split and record.config.seed == other.config.seed
    return {
        **facts.preset.model_dump(exclude={"description", "backbone", "weights", "rates"}),
        "order": record.order,
        "backbone": facts.fingerprints["backbone"],
        "version": facts.results_version,
        "images": [sum(task.images.values()) for task in facts.tasks],
        "data": [
            task.fingerprint
            for task in facts.tasks
            if same_run or (same_split and not task.simulated)
        ],
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

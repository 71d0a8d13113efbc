"""The same runs on two machines: what differs, how much, and whether the verdicts are the same.

A run's identity does not cover the machine. On one kind of processor, reruns are equal bit for bit;
another processor, or another library version, rounds differently, and long training can make much
of that. What is promised elsewhere are verdicts and means over runs, and claims that are larger
than the numerical noise measured here.
"""

from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from tsniqa.errors import RecordError
from tsniqa.study.bootstrap import MEAN, differences
from tsniqa.study.comparison import label
from tsniqa.study.evaluation import predictions, srcc_matrix
from tsniqa.study.record import RunRecord
from tsniqa.study.results import SUMMARY_READOUTS, find_experiment

REFERENCE = "tsn"  # what every strategy is judged against
JUDGED = ("oracle", "calibrated")  # readouts whose differences are claims
CLAIM = ["record set", "first", "second", "task"]  # what names a difference
SIDES = ("here", "published")
SEEDS = range(100)  # of results; settings are chosen on draws of larger ones

Records = Sequence[RunRecord]
"""Records of some runs; where functions take two, of the same runs in the same sequence."""


def shared_runs(
    here: Path, published: Path
) -> tuple[list[RunRecord], list[RunRecord], list[RunRecord]]:
    """Load the records of the runs that two folders, which need not exist, both have.

    Returns:
        Those of the one and of the other folder, and the rest of the other that belongs to the same
        experiments (:func:`~tsniqa.study.results.find_experiment`): strategies and seeds that were
        not made again.

    Raises:
        RecordError: A record is unreadable, or two records of a run differ in shape.
    """
    names = [path.parent.name for path in sorted(here.glob("*/record.json"))]
    names = [name for name in names if (published / name / "record.json").is_file()]
    found = [[RunRecord.load(folder / name) for name in names] for folder in (here, published)]
    for one, other in zip(*found, strict=True):
        shapes = [(record.scores.shape, np.shape(record.distances)) for record in (one, other)]
        if shapes[0] != shapes[1]:
            raise RecordError(
                f"the records {one.folder} and {other.folder} are of one run but hold different "
                f"values; delete {one.folder} and run it again"
            )
    experiments = {(record_set(one), one.config.split): one for one in found[1]}
    rest = []
    for (_, split), like in experiments.items():
        runs = find_experiment(published, like.config.preset, SEEDS, [split], like)
        rest += [one for own in runs.values() for one in own]
    return found[0], found[1], [one for one in rest if one.description.run_id not in names]


def numerical_noise(here: Records, published: Records) -> pd.DataFrame:
    """Measure how far another machine moves the results of every strategy after the last task.

    Returns:
        Indexed by ``record set`` (:func:`record_set`) and ``label`` (strategy and readout): the
        number of ``runs``; the largest absolute differences in any run, of ``gate distances``, of
        ``scores`` and of a task's ``SRCC``; that of the mean SRCC over tasks and runs, ``mean
        SRCC``. Infinite where one alone lacks a value, NaN where both lack all.
    """
    rows = []
    for pair in zip(here, published, strict=True):
        gate = largest_difference(*(record.distances for record in pair))
        for readout in [name for name in SUMMARY_READOUTS if name in pair[0].readouts]:
            read = (predictions(record, readout, record.order) for record in pair)
            scores = [np.concatenate([*found.values()]) for found in read]
            finals = [srcc_matrix(record, readout)[-1] for record in pair]
            names = record_set(pair[0]), label(pair[0].strategy, readout)
            found = gate, largest_difference(*scores), largest_difference(*finals)
            rows.append((*names, *found, np.subtract(*finals).mean()))
    names = ["record set", "label"]
    columns = [*names, "gate distances", "scores", "SRCC", "mean SRCC"]
    groups = pd.DataFrame(rows, columns=columns).groupby(names, sort=False)
    found = groups[columns[2:-1]].max()
    found.insert(0, "runs", groups.size())
    return found.assign(**{"mean SRCC": groups["mean SRCC"].mean().abs()})


def largest_difference(first: np.ndarray | None, second: np.ndarray | None) -> float:
    """Return the largest absolute difference; values that are missing on both sides are equal."""
    if first is None:
        return float("nan")
    difference = np.abs(first.astype(np.float64) - second)
    one_missing = np.isnan(first) != np.isnan(second)
    return float(np.where(one_missing, np.inf, np.nan_to_num(difference)).max(initial=0.0))


def record_set(record: RunRecord) -> str:
    """Say in words what the records that are compared with each other have in common."""
    facts, config = record.description, record.config
    parts = [config.preset, f"on {facts.backbone.name}"]
    if record.order != list(facts.preset.tasks):
        parts.append(f"in the order {', '.join(record.order)}")
    parts += [f"{name}={value}" for name, value in sorted(config.overrides.items())]
    return " ".join(parts)


def verdicts(here: Records, published: Records, rest: Records = ()) -> pd.DataFrame:
    """Judge every strategy against :data:`REFERENCE` from the records of either machine.

    Args:
        here: Records of runs on one machine.
        published: Those of the same runs on the other.
        rest: Records of further runs of the same record sets; they stand on both sides, as on a
            page that shows own runs beside published ones.

    Returns:
        A row for every record set, strategy, readout of :data:`JUDGED` (a strategy with one head
        has but that) and task, or mean over tasks, of which one side was made again: ``record
        set``, ``first``, ``second``, ``task``, the differences and verdicts ``here`` and
        ``published``, ``changed`` (other verdicts) and ``below noise`` (a published verdict of
        higher or lower whose interval is no further from 0 than the numerical noise of the two).
    """
    noise = numerical_noise(here, published)
    sides = (_claims([*records, *rest]) for records in (here, published))
    found = pd.merge(*sides, on=CLAIM, suffixes=(" here", " published"))
    measure = np.where(found["task"] == MEAN, "mean SRCC", "SRCC")
    limits = []
    for (of, *names, _), column in zip(found[CLAIM].to_numpy(), measure, strict=True):
        known = [(of, name) for name in names if (of, name) in noise.index]
        limits.append(noise.loc[known, column].max())  # NaN: neither was made again
    found["changed"] = found["verdict here"] != found["verdict published"]
    resolved = found["verdict published"].isin(["higher", "lower"])
    nearest = found[["low published", "high published"]].abs().min(axis=1)
    found["below noise"] = resolved & (nearest <= limits)
    found = found[pd.notna(limits)].reset_index(drop=True)
    return found.drop(columns=[f"{end} {side}" for end in ("low", "high") for side in SIDES])


def _claims(records: Records) -> pd.DataFrame:
    """Compare every strategy with the reference within every record set."""
    sets: dict[str, dict[str, list[RunRecord]]] = {}
    for record in records:
        sets.setdefault(record_set(record), {}).setdefault(record.strategy, []).append(record)
    columns = [*CLAIM, "difference", "low", "high", "verdict"]
    found = [pd.DataFrame(columns=columns)]
    for (of, runs), readout in product(sets.items(), JUDGED):
        known = {name: own[0].readouts for name, own in runs.items()}
        for name in sorted(known) if readout in known.get(REFERENCE, ()) else ():
            use = readout if readout in known[name] else "single"
            if name != REFERENCE and use in known[name]:
                table = differences(runs, (name, use), (REFERENCE, readout))
                found.append(table.assign(**{"record set": of})[columns])
    return pd.concat(found[1:] or found)

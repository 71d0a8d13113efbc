"""Tables of a single run: measures of every use, correlations, gate weights, telling examples."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from tsniqa.data import load_task
from tsniqa.errors import ConfigError, DataError
from tsniqa.metrics import plcc_logistic
from tsniqa.study import evaluation as tables
from tsniqa.study.comparison import minutes
from tsniqa.study.record import RunRecord
from tsniqa.study.ways import measures

WHEN = ("before", "after")


def task_table(record: RunRecord) -> pd.DataFrame:
    """Describe the tasks of a run.

    Returns:
        One row a task in the order learned: ``train``, ``val`` and ``test`` (images), ``rating
        scale``, ``licence``, ``source`` (whom to cite).
    """
    rows = {}
    for task in record.description.tasks:
        low, high = task.mos_range
        rows[task.name] = {
            **task.images,
            "rating scale": f"{low:g} to {high:g}",
            "licence": task.licence or "–",
            "source": task.citation or "–",
        }
    return pd.DataFrame(rows).T.rename_axis("task")


def use_table(record: RunRecord) -> pd.DataFrame:
    """Measure every use of a run's heads.

    Returns:
        One row a use; the columns of :func:`tsniqa.study.ways.measures`.
    """
    return pd.DataFrame({use: measures(record, use) for use in record.uses}).T


def final_correlations(record: RunRecord, use: str) -> pd.DataFrame:
    """Correlate final predictions with opinion scores by every measure.

    Args:
        record: A finished run.
        use: A way to use its heads.

    Returns:
        One row a task in the order learned: ``test images``, ``SRCC``, ``PLCC`` (raw), ``KRCC``,
        and, where the record holds opinion scores (simulated tasks), ``PLCC, logistic``.
    """
    rows = {}
    for task in record.order:
        row: dict[str, float] = {"test images": record.tasks[task].images["test"]}
        for measure in ("srcc", "plcc", "krcc"):
            row[measure.upper()] = tables.srcc(record, use, record.order, task, measure)
        if record.mos is not None:
            predicted = tables.predictions(record, use, record.order)[task]
            row["PLCC, logistic"] = plcc_logistic(predicted, record.mos[record.rows(task)])
        rows[task] = row
    table = pd.DataFrame(rows).T
    return table.astype({"test images": int})


def mean_gate_weights(record: RunRecord) -> pd.DataFrame:
    """Average the gate's weights over each task's test images.

    Returns:
        Rows: the task the images come from; columns: the head; both in the order learned. Every
        row sums to 1.

    Raises:
        ConfigError: The strategy has no gate.
    """
    weights = [tables.gate_weights(record, task).mean(axis=0) for task in record.order]
    table = pd.DataFrame(weights, index=record.order, columns=record.names)
    return table[record.order]


def gate_accuracy(record: RunRecord) -> float:
    """Return the share of test images whose own task's head has the largest weight.

    Every task counts alike, whatever its number of images.
    """
    shares = []
    for position, task in enumerate(record.names):
        largest = tables.gate_weights(record, task).argmax(axis=1)
        shares.append((largest == position).mean())
    return float(np.mean(shares))


class Example(NamedTuple):
    """A test image with its place in two rankings, 1 being the best quality.

    Attributes:
        what: Why it is shown.
        path: The image file.
        predicted: Its place by predicted quality.
        opinion: Its place by opinion score.
        count: Number of test images ranked.
    """

    what: str
    path: Path
    predicted: int
    opinion: int
    count: int


def examples(record: RunRecord, use: str, task: str, data_root: Path) -> list[Example]:
    """Pick four telling test images of a task, after the last task was learned.

    Args:
        record: A finished run.
        use: A way to use its heads.
        task: Name of one of its tasks.
        data_root: Folder of datasets.

    Returns:
        The images predicted best and worst, and those most overrated and most underrated
        compared with opinion scores; empty if the images are not on this machine, or are not those
        of the record.
    """
    config = record.config
    try:
        part = load_task(task, data_root, config.seed, config.split)
        paths, mos = part.paths("test"), part.mos("test")
    except (ConfigError, DataError):
        return []
    known = part.part("test")["image"].tolist() == record.description.test_images[task]
    if not known or not all(path.is_file() for path in paths):
        return []
    predicted = rankdata(-tables.predictions(record, use, record.order)[task], method="ordinal")
    opinion = rankdata(-mos, method="ordinal")
    picked = {
        "predicted best": predicted.argmin(),
        "predicted worst": predicted.argmax(),
        "most overrated": (opinion - predicted).argmax(),
        "most underrated": (opinion - predicted).argmin(),
    }
    return [
        Example(what, paths[i], int(predicted[i]), int(opinion[i]), len(mos))
        for what, i in picked.items()
    ]


def about(record: RunRecord) -> str:
    """Say in Markdown what was run, on what, how long it took, and where labels come from."""
    description, config = record.description, record.config
    times = {kind: minutes(record, kind) for kind in ("learning", "scoring")}
    return (
        f"**{config.strategy}** on the preset `{config.preset}`, seed {config.seed}, split "
        f"`{config.split}`, backbone {description.backbone.model}. Tasks in the order learned: "
        f"{' → '.join(record.order)}. Learning took {times['learning']:.1f} minutes, scoring "
        f"{times['scoring']:.1f} minutes, on {description.device}. {label_note([record])}"
    )


def label_note(records: Sequence[RunRecord]) -> str:
    """Say in Markdown whether people or simulated observers made the labels."""
    made = {task.simulated for record in records for task in record.tasks.values()}
    if made == {True}:
        return "**The labels of these tasks are simulated**: no person has rated these images."
    if made == {False}:
        return "People rated these images."
    return "**Some of these tasks have simulated labels**, which no person gave; others were rated."


def filters_note(record: RunRecord) -> str:
    """Say in Markdown whether the convolution filters are still those the run began with."""
    before, after = (record.description.fingerprints[f"filters {when}"] for when in WHEN)
    equal = "the same, bit for bit" if before == after else "different"
    note = f"Fingerprint of the filters: before `{before[:12]}`, after `{after[:12]}`: {equal}."
    if before == after and not record.description.gated:
        note += (
            " This strategy does train them; but no epoch of its second step was better on the"
            " validation images than its start, so the start was kept."
        )
    return note


def step_two_note(records: Sequence[RunRecord]) -> str | None:
    """Say how often step two reached a better validation SRCC than the state it began with.

    Where it did not, that state was kept, so the task has learned a head and nothing else.

    Args:
        records: Runs of one strategy.

    Returns:
        A sentence in Markdown; None if the strategy has no second step, or there are no runs.
    """
    gains = []
    for record in records:
        for history in record.description.history.values():
            values = [epoch.validation_srcc for epoch in history if epoch.step == "images"]
            if len(values) > 1:
                gains.append(np.nanmax(values[1:]) - values[0])
    if not gains:
        return None
    better = sum(gain > 0 for gain in gains)
    note = (
        f"`{records[0].config.strategy}`: the second step improved the validation SRCC of {better} "
        f"of {len(gains)} learned states"
    )
    if better:
        mean = np.mean([gain for gain in gains if gain > 0])
        note += f", by {mean:.3f} on average where it did"
    return f"{note}; elsewhere the state after the first step was kept."

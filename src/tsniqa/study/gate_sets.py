"""Images that are scored together, a task whose head is missing, and the whole study of gates."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from tsniqa.errors import ConfigError, RecordError
from tsniqa.metrics import srcc
from tsniqa.model.readouts import mix
from tsniqa.paths import written_whole
from tsniqa.seeds import generator
from tsniqa.study.evaluation import gate_weights
from tsniqa.study.gate_inputs import GateInputs
from tsniqa.study.gates import (
    MEAN,
    SHARING,
    Setting,
    averaged,
    chosen,
    level_table,
    of_tasks,
    references,
    shared,
    variant_rows,
    variants,
    weights,
)
from tsniqa.study.record import RunRecord

TOGETHER = (1, 2, 5, 10, 20, 50, 100)
"""Numbers of images that are seen together."""

DRAWS = 10
SET_COLUMNS = ["experiment", "images", "way", "task", "srcc"]


class GateStudy(NamedTuple):
    """The tables of one study; all but the first have the run's ``seed`` and ``split``.

    Attributes:
        selection: Every variant and what it is compared with, :func:`.averaged` over the runs that
            settings are chosen on.
        chosen: What variants are compared with, and every family's chosen setting, on the runs that
            results are read from; ``chosen for`` says for which of :data:`.SHARING`, or "both" of
            :data:`.CHOSEN_FOR`.
        sets: The columns :data:`SET_COLUMNS` of :func:`set_experiments`, of the analytic gate.
    """

    selection: pd.DataFrame
    chosen: pd.DataFrame
    sets: pd.DataFrame

    def save(self, folder: Path, preset: str) -> list[Path]:
        """Write the tables, rounded to 4 decimals, and return their paths."""
        paths = [folder / f"{preset}-{name}.csv" for name in self._fields]
        for path, table in zip(paths, self, strict=True):
            with written_whole(path) as partial:
                table.round(4).to_csv(partial, index=False, lineterminator="\n")
        return paths

    @classmethod
    def load(cls, folder: Path, preset: str) -> "GateStudy":
        """Read the tables of a preset; a RecordError says that there are none here."""
        texts = {"split": str, "stages": str}
        empty = dict.fromkeys(("tap", "stages", "chosen for"), "")
        try:
            tables = [
                pd.read_csv(folder / f"{preset}-{name}.csv", dtype=texts) for name in cls._fields
            ]
        except FileNotFoundError as error:
            raise RecordError(
                f"no study of gates of preset '{preset}' in {folder}; make it with: tsniqa gates "
                "--choose-on RUN --read-on RUN, on runs of tsn"
            ) from error
        return cls(*(table.fillna(empty) for table in tables))


def study_gates(choose_on: Sequence[GateInputs], read_on: Sequence[GateInputs]) -> GateStudy:
    """Choose every family's setting on some runs, and read it on others.

    Raises:
        ConfigError: There are no runs, a draw or split is in both, or presets or backbones differ.
    """
    check_runs(*([one.record for one in inputs] for inputs in (choose_on, read_on)))
    tables = [table(x) for x in choose_on for table in (references, variants)]
    selection = averaged(tables)
    best = {"both": chosen(selection)}
    best |= {readout: chosen(selection, [readout]) for readout in SHARING}
    compared, sets = [], []
    for inputs in read_on:
        facts = inputs.record.config
        run = {"strategy": facts.strategy, "seed": facts.seed, "split": facts.split}
        known = references(inputs)
        rows = [
            (*row, readout)
            for readout, families in best.items()
            for setting in families.values()
            for sharing in SHARING
            for row in variant_rows(inputs, setting, sharing)
        ]
        own = pd.DataFrame(rows, columns=[*known.columns, "chosen for"])
        together = pd.concat([known.assign(**{"chosen for": ""}), own], ignore_index=True)
        experiments = set_experiments(inputs, best["both"]["analytic"])
        for found, table in ((compared, together), (sets, experiments)):
            found.append(table.assign(**run)[[*run, *table.columns]])
    return GateStudy(selection, pd.concat(compared), pd.concat(sets))


def check_runs(choose_on: Sequence[RunRecord], read_on: Sequence[RunRecord]) -> None:
    """Raise a ConfigError for runs that do not go together."""
    if not (choose_on and read_on):
        raise ConfigError("name at least one run to choose settings on, and one to read them on")
    used = [{(one.config.seed, one.config.split) for one in runs} for runs in (choose_on, read_on)]
    if both := sorted(used[0] & used[1]):
        seed, split = both[0]
        raise ConfigError(
            f"seed {seed}, split '{split}' is among the runs to choose on and among those to read; "
            "choose settings on draws or splits that no result uses"
        )
    every = (*choose_on, *read_on)
    if len({(one.config.preset, one.description.fingerprints["backbone"]) for one in every}) > 1:
        raise ConfigError("the runs are of several presets or backbones; study one at a time")


def set_experiments(inputs: GateInputs, setting: Setting) -> pd.DataFrame:
    """Tabulate what a gate's weights do for images that are seen together: :data:`SET_COLUMNS`.

    The experiments are ``curve`` (see :func:`set_curve`), ``mixed`` (all test images of all tasks
    are one folder) and ``left out`` (see :func:`left_out`). ``way`` is one of :data:`.SHARING`, or
    another way to score a task whose head is missing.
    """
    rows = [("curve", *row) for row in set_curve(inputs, setting)]
    own, levels = weights(inputs, setting), level_table(inputs, setting.levels, inputs.record.names)
    everything = [slice(0, len(own))]
    for way in SHARING:
        values = of_tasks(inputs, mix(inputs.heads, shared(own, everything, way), levels))
        rows += [("mixed", len(own), *row) for row in _with_mean(inputs, way, values)]
    rows += [("left out", *row) for row in left_out(inputs, setting)]
    return pd.DataFrame(rows, columns=SET_COLUMNS)


def _with_mean(inputs: GateInputs, way: str, values: np.ndarray) -> list[tuple]:
    names = [*inputs.record.names, MEAN]
    return [(way, *row) for row in zip(names, [*values, np.mean(values)], strict=True)]


def set_curve(inputs: GateInputs, setting: Setting) -> list[tuple]:
    """Return SRCC against the number of images seen together: rows (images, way, task, srcc).

    A task's test images are divided at random into as many groups of at least so many images as
    there can be, and every group shares weights; the SRCC is over all groups of the task, and the
    mean over :data:`DRAWS` divisions, of which there is one for single images.
    """
    own, levels = weights(inputs, setting), level_table(inputs, setting.levels, inputs.record.names)
    random = generator(inputs.record.config.seed, "images seen together")
    rows = []
    for count in TOGETHER:
        found = {way: [] for way in SHARING[1:]}
        for _ in range(DRAWS if count > 1 else 1):
            groups = []
            for of_task in inputs.rows:
                mixed = random.permutation(np.arange(of_task.start, of_task.stop))
                groups += np.array_split(mixed, max(1, len(mixed) // count))
            for way, values in found.items():
                scores = mix(inputs.heads, shared(own, groups, way), levels)
                values.append(of_tasks(inputs, scores))
        for way, values in found.items():
            rows += [(count, *row) for row in _with_mean(inputs, way, np.mean(values, axis=0))]
    return rows


def left_out(inputs: GateInputs, setting: Setting) -> list[tuple]:
    """Return SRCC on every task as if it had never been learned: rows (images, way, task, srcc).

    ``way`` is one of :data:`.SHARING` (with the gate of the other tasks), ``uniform`` (at the same
    levels), ``published`` (the record's K-means gate), ``best other`` (the one head that happens to
    be best, which nobody could know) or, for orientation, ``own head``.
    """
    record, found = inputs.record, {}
    for column, task in enumerate(record.names):
        rows = record.rows(task)
        others = [name for name in record.names if name != task]
        heads, mos = inputs.heads[rows], inputs.mos[rows]
        alone = [srcc(head, mos) for head in heads.T]
        found.setdefault("own head", []).append(alone[column])
        found.setdefault("best other", []).append(max(np.delete(alone, column)))
        heads = np.delete(heads, column, axis=1)
        published = mix(heads, gate_weights(record, others)[rows])
        found.setdefault("published", []).append(srcc(published, mos))
        levels, own = level_table(inputs, setting.levels, others), weights(inputs, setting, others)
        even = np.full(heads.shape, 1 / len(others))
        found.setdefault("uniform", []).append(srcc(mix(heads, even, levels), mos))
        for way in SHARING:
            together = shared(own[rows], [slice(None)], way)
            found.setdefault(way, []).append(srcc(mix(heads, together, levels), mos))
    counts = [rows.stop - rows.start for rows in inputs.rows]
    counts.append(sum(counts))
    named = {way: _with_mean(inputs, way, np.array(values)) for way, values in found.items()}
    return [(n, *row) for own in named.values() for n, row in zip(counts, own, strict=True)]

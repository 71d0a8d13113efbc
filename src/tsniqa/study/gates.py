"""Gates in comparison: every variant on the heads of finished runs, from features and scores alone.

Every variant is fitted on each task for itself, so that the order of tasks changes nothing and
gates merge. A gate says a number for each image, task and stage; ``hardness`` times that number is
softmaxed over tasks, and stages are averaged. The number is

- ``k-means``: minus the distance to the task's nearest centroid, which may be divided by the median
  distance of the task's own validation images (scale ``median``),
- ``gaussian``: the log-density, divided by the width of the feature, of a normal distribution with
  the shrunk covariance of Ledoit and Wolf (Journal of Multivariate Analysis 2004),
- ``analytic``: the output of ridge regression on which task an image is of.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import softmax
from sklearn.covariance import LedoitWolf

from tsniqa.metrics import srcc
from tsniqa.model.gating import AnalyticGate, KMeansGate
from tsniqa.model.readouts import mix, readout_levels, set_priors
from tsniqa.study.evaluation import analytic_weights, gate_weights
from tsniqa.study.gate_inputs import TAPS, GateInputs

FAMILIES = ("k-means", "gaussian", "analytic")
CLUSTERS = (1, 4, 16, 64, 128, 256)
SCALES = ("raw", "median")
STAGES = {"3": (0,), "4": (1,), "both": (0, 1)}
PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
TEMPERATURES = tuple(2.0**power for power in range(9))
SHARPNESSES = TEMPERATURES[:7]
LEVELS = {"raw": "gated", "centred": "centred", "standardised": "calibrated"}
"""What heads are cleaned of before they are mixed, each as by one of the model's readouts."""

SHARING = ("single", "set", "set-em")
"""Who shares weights: nobody, or all images of a set: one vector, or priors estimated by EM."""

CHOSEN_FOR = ("single", "set")
"""Readouts that a model's one gate serves, ``calibrated`` and ``set``."""

EM_ITERATIONS = 30
MEAN = "mean"  # the task of means over tasks


class Setting(NamedTuple):
    """One variant of a gate; fields that its family does not have keep their defaults."""

    family: str  #: k-means, gaussian or analytic
    tap: str = "before"  #: of :data:`.TAPS`
    stages: str = "both"  #: that the analytic gate reads side by side: of :data:`STAGES`
    clusters: int = 0  #: K of K-means, at most one an image
    scale: str = "raw"  #: of distances: of :data:`SCALES`
    penalty: float = 0.0  #: of the analytic gate
    hardness: float = 1.0  #: temperature, or sharpness of the analytic gate
    levels: str = "raw"  #: what heads are cleaned of before they are mixed: of :data:`LEVELS`


SETTING = list(Setting._fields)
COLUMNS = [*SETTING, "readout", "task", "srcc", "naming"]


def settings() -> Iterator[Setting]:
    """List all variants but for levels, softest first: the numbers before the softmax, in order."""
    grid = list(product(TAPS, CLUSTERS, SCALES))
    bases = [Setting("k-means", tap, clusters=k, scale=scale) for tap, k, scale in grid]
    bases += [Setting("gaussian", tap) for tap in TAPS]
    analytic = product(TAPS, STAGES, PENALTIES)
    bases += [Setting("analytic", tap, at, penalty=penalty) for tap, at, penalty in analytic]
    for base in bases:
        for hardness in SHARPNESSES if base.family == "analytic" else TEMPERATURES:
            yield base._replace(hardness=hardness)


def weights(
    inputs: GateInputs, setting: Setting, tasks: Collection[str] | None = None
) -> np.ndarray:
    """Return a variant's weights of some tasks (default: all) for all test images.

    As if no other task had been learned: float64 [N, T], tasks in name order, rows summing to 1.
    """
    names = inputs.record.names if tasks is None else sorted(tasks)
    numbers = {"k-means": _distances, "gaussian": _densities, "analytic": _regression}
    key = setting._replace(hardness=1.0, levels="raw"), tuple(names)
    if key not in inputs.known:
        inputs.known[key] = numbers[setting.family](inputs, setting, names)
    return softmax(setting.hardness * inputs.known[key], axis=1).mean(axis=2)


def _distances(inputs: GateInputs, setting: Setting, names: Sequence[str]) -> np.ndarray:
    """Return minus the distances to the nearest centroids, float64 [N, T, 2]."""
    key = setting.tap, setting.clusters
    features = inputs.features[setting.tap]
    if key not in inputs.known:
        gate = KMeansGate(setting.clusters, start="ward")
        for task, stages in features["train"].items():
            gate.partial_fit(stages, task)
        found = gate.transform(inputs.tests[setting.tap]).astype(np.float64)
        held = [gate.transform(stages)[:, i] for i, stages in enumerate(features["val"].values())]
        inputs.known[key] = found, np.stack([np.median(own, axis=0) for own in held])
    distances, medians = inputs.known[key]
    if setting.scale == "median":
        distances = distances / medians
    return -distances[:, [inputs.record.names.index(name) for name in names]]


def _densities(inputs: GateInputs, setting: Setting, names: Sequence[str]) -> np.ndarray:
    """Return log-densities a dimension, up to a constant, float64 [N, T, 2]."""
    found = np.empty((len(inputs.mos), len(names), 2))
    for i, name in enumerate(names):
        for stage, tests in enumerate(inputs.tests[setting.tap]):
            own = inputs.features[setting.tap]["train"][name][stage].astype(np.float64)
            model = LedoitWolf().fit(own)
            volume = np.linalg.slogdet(model.covariance_)[1]
            found[:, i, stage] = (model.mahalanobis(tests) + volume) / (-2 * tests.shape[1])
    return found


def _regression(inputs: GateInputs, setting: Setting, names: Sequence[str]) -> np.ndarray:
    """Return the analytic gate's outputs, float64 [N, T, 1]."""
    at = STAGES[setting.stages]
    gate = AnalyticGate(setting.penalty)
    for name in names:
        stages = inputs.features[setting.tap]["train"][name]
        gate.partial_fit(np.concatenate([stages[i] for i in at], axis=1), name)
    tests = np.concatenate([inputs.tests[setting.tap][i] for i in at], axis=1)
    return gate.transform(tests)[:, :, None]


def shared(own: np.ndarray, groups: Iterable[slice | np.ndarray], sharing: str) -> np.ndarray:
    """Let the images of every group share weights.

    Args:
        own: Weights of every image for itself, [N, T].
        groups: The rows of every group.
        sharing: One of :data:`SHARING`. With ``set-em`` an image's weights are its own ones given
            the group's priors (Saerens et al., Neural Computation 2002).
    """
    if sharing == "single":
        return own
    together = np.empty_like(own)
    for rows in groups:
        if sharing == "set":
            together[rows] = set_priors(own[rows], 1)
        else:
            adapted = own[rows] * set_priors(own[rows], EM_ITERATIONS)
            together[rows] = adapted / adapted.sum(axis=1, keepdims=True)
    return together


def level_table(inputs: GateInputs, levels: str, tasks: Sequence[str]) -> np.ndarray:
    """Return what is subtracted from heads and what then divides them, float64 [T, 2]."""
    return readout_levels(LEVELS[levels], [inputs.record.level(task) for task in tasks])


def of_tasks(inputs: GateInputs, scores: np.ndarray) -> np.ndarray:
    """Return the SRCC [T] of scores [N] on every task's test images."""
    return np.array([srcc(scores[rows], inputs.mos[rows]) for rows in inputs.rows])


def _rows(
    inputs: GateInputs, setting: Setting, readout: str, own: np.ndarray, values: np.ndarray
) -> list[tuple]:
    """Return a variant's rows of a table: of every task, and their mean."""
    right = own.argmax(axis=1) == inputs.own
    named = [right[rows].mean() for rows in inputs.rows]
    names = [*inputs.record.names, MEAN]
    values, named = ([*found, np.mean(found)] for found in (values, named))
    return [(*setting, readout, *row) for row in zip(names, values, named, strict=True)]


def variant_rows(inputs: GateInputs, setting: Setting, readout: str) -> list[tuple]:
    """Return the rows of one variant under one of :data:`SHARING`, as :data:`COLUMNS`."""
    own = shared(weights(inputs, setting), inputs.rows, readout)
    levels = level_table(inputs, setting.levels, inputs.record.names)
    return _rows(inputs, setting, readout, own, of_tasks(inputs, mix(inputs.heads, own, levels)))


def variants(inputs: GateInputs) -> pd.DataFrame:
    """Tabulate all variants under all ways of sharing: :data:`COLUMNS`.

    ``srcc`` is on the test images of ``task``, or :data:`MEAN` of tasks; ``naming`` is the share of
    those images whose heaviest head is that of their own task.
    """
    rows, heads = [], inputs.heads
    tables = {levels: level_table(inputs, levels, inputs.record.names) for levels in LEVELS}
    for setting in settings():
        single = weights(inputs, setting)
        for readout in SHARING:
            own = shared(single, inputs.rows, readout)
            for levels, table in tables.items():
                values = of_tasks(inputs, mix(heads, own, table))
                rows += _rows(inputs, setting._replace(levels=levels), readout, own, values)
    return pd.DataFrame(rows, columns=COLUMNS)


def references(inputs: GateInputs) -> pd.DataFrame:
    """Tabulate what variants are compared with, as :func:`variants` does.

    The families ``uniform`` (at all levels), ``oracle``, ``published`` (raw and standardised) and
    ``hard`` (the record's K-means gate), and ``preset``: the gate of the readouts ``calibrated``
    and ``set``.
    """
    record, rows = inputs.record, []
    published = gate_weights(record, record.names)
    count = len(record.names)
    even, told = np.full(published.shape, 1 / count), np.eye(count)[inputs.own]
    compared = [
        *(("uniform", levels, "single", even) for levels in LEVELS),
        ("oracle", "raw", "single", told),
        *(("published", levels, "single", published) for levels in ("raw", "standardised")),
        ("hard", "raw", "single", np.eye(count)[published.argmax(axis=1)]),
    ]
    analytic = analytic_weights(record, record.names)
    for sharing in SHARING:
        own = shared(analytic, inputs.rows, sharing)
        compared.append(("preset", "standardised", sharing, own))
    for family, levels, sharing, own in compared:
        table = level_table(inputs, levels, record.names)
        values = of_tasks(inputs, mix(inputs.heads, own, table))
        rows += _rows(inputs, Setting(family, "", "", levels=levels), sharing, own, values)
    return pd.DataFrame(rows, columns=COLUMNS)


def averaged(tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Average means over tasks over runs: one row a variant and way of sharing, without tasks."""
    whole = pd.concat([table[table["task"] == MEAN] for table in tables])
    keys = [*SETTING, "readout"]
    return whole.groupby(keys, sort=False)[["srcc", "naming"]].mean().reset_index()


def chosen(table: pd.DataFrame, readouts: Sequence[str] = CHOSEN_FOR) -> dict[str, Setting]:
    """Choose the setting of every family with the highest SRCC; of equals, the first: the softest.

    Args:
        table: That of :func:`averaged`, of runs that no result uses.
        readouts: Of :data:`SHARING`: those whose mean SRCC decides. A model has one gate for both
            of its readouts, so that by default both do.
    """
    own = {}
    for family in FAMILIES:
        rows = table[table["readout"].isin(readouts) & (table["family"] == family)]
        means = rows.groupby(SETTING, sort=False)["srcc"].mean()
        own[family] = Setting(*means.idxmax())
    return own

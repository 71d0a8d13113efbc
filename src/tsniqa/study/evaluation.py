"""What one record says: predictions, S matrices, stability, summaries, for any order and readout.

Where a record holds the opinion scores (simulated tasks), correlations are computed when they are
asked for; where it does not, they are looked up in its table.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations, product

import numpy as np

from tsniqa import metrics
from tsniqa.errors import ConfigError, unknown_name
from tsniqa.model.gating import AnalyticGate, softmin_weights
from tsniqa.model.readouts import mix, readout_levels, readout_weights
from tsniqa.model.tsniqa import SHARED
from tsniqa.storage import symmetric
from tsniqa.study.config import Preset
from tsniqa.study.record import RunRecord

MEASURES = ("srcc", "plcc", "krcc")  # functions of tsniqa.metrics

# With more tasks than this, only single tasks and prefixes of the run's order are tabulated.
LARGEST_POWERSET = 8


def states(record: RunRecord) -> list[tuple[str, ...]]:
    """List the sets of seen tasks that a record knows of: rows of ``correlations``.

    Heads learned apart from each other have results for every non-empty subset of the tasks; others
    only for the prefixes of the order that was run.
    """
    order = record.order
    if record.description.all_at_once:
        return [tuple(order)]
    prefixes = [tuple(order[: step + 1]) for step in range(len(order))]
    if not _any_order(record):
        return prefixes
    if len(order) > LARGEST_POWERSET:
        return [*((name,) for name in record.names), *prefixes[1:]]
    sizes = range(1, len(order) + 1)
    return [subset for size in sizes for subset in combinations(record.names, size)]


def predictions(record: RunRecord, readout: str, seen: Sequence[str]) -> dict[str, np.ndarray]:
    """Compute the quality of every task's test images after some tasks were seen.

    Args:
        record: A run.
        readout: One of ``record.readouts``.
        seen: Names of the seen tasks in order; the last is the ``latest``.

    Returns:
        For each task of the run, float64 [n]. With ``oracle`` only seen tasks have an entry.

    Raises:
        ConfigError: The record has no such readout, or never saw exactly these tasks.
    """
    check_readout(record, readout)
    for task in seen:
        if task not in record.names:
            raise unknown_name("task", task, record.names)
    if not seen:
        raise ConfigError("no task was seen; name at least one")
    # A head that later tasks do not change says the same at every step from its own on.
    step = None if _any_order(record) else _step(record, seen)
    if readout == "oracle":
        return {task: record.head(task, step)[record.rows(task)] for task in sorted(seen)}
    if readout in ("single", "latest"):
        scores = record.head(SHARED if readout == "single" else seen[-1], step)
    else:
        key = (readout, frozenset(seen))
        if key not in record.cache:
            record.cache[key] = _mixture(record, readout, seen, step)
        scores = record.cache[key]
    return {task: scores[record.rows(task)] for task in record.names}


def meant_readout(main_readout: str, preset: Preset) -> str:
    """Say what a strategy's main readout is under a preset, which decides what ``gated`` means."""
    return preset.readout if main_readout == "gated" else main_readout


def check_readout(record: RunRecord, readout: str) -> None:
    """Refuse a readout that a record does not have with a ConfigError, which lists the others."""
    if readout not in record.readouts:
        raise unknown_name("readout", readout, record.readouts)


def _any_order(record: RunRecord) -> bool:
    """Tell whether heads were learned apart from each other, whatever the order."""
    return record.description.gated and not record.description.order_dependent


def _mixture(record: RunRecord, readout: str, seen: Sequence[str], step: int | None) -> np.ndarray:
    if readout == "half":
        return (record.head(seen[-1], step) + _mixture(record, "gated", seen, step)) / 2
    seen = sorted(seen)
    heads = np.stack([record.head(task, step) for task in seen], axis=1)
    levels = readout_levels(readout, [record.level(task, step) for task in seen])
    published, analytic = gate_weights(record, seen), analytic_weights(record, seen)
    # The test images of a task are scored together: those of one "set".
    weights = [
        readout_weights(readout, published[rows], analytic[rows])
        for rows in map(record.rows, record.names)
    ]
    return mix(heads, np.concatenate(weights), levels)


def gate_weights(record: RunRecord, seen: Sequence[str]) -> np.ndarray:
    """Return the K-means gate's weights [N, tasks] of some tasks (name order), float64.

    Raises:
        ConfigError: The strategy has no gate.
    """
    if record.distances is None:
        raise ConfigError(f"strategy '{record.strategy}' has no gate")
    columns = [record.names.index(task) for task in sorted(seen)]
    temperature = record.description.preset.gate.temperature
    return softmin_weights(record.distances[:, columns], temperature)


def analytic_weights(record: RunRecord, seen: Sequence[str]) -> np.ndarray:
    """Return the analytic gate's weights, as :func:`gate_weights` returns the other's."""
    if record.gate_sums is None:
        raise ConfigError(f"strategy '{record.strategy}' has no gate")
    key = ("analytic", frozenset(seen))
    if key not in record.cache:
        options = record.description.preset.gate
        gate = AnalyticGate(options.penalty, options.sharpness)
        sums = map(symmetric, record.gate_sums.astype(np.float64))
        gate.sums_ = dict(zip(record.names, sums, strict=True))
        record.cache[key] = gate.predict_proba(record.gate_features, seen)
    return record.cache[key]


def _step(record: RunRecord, seen: Sequence[str]) -> int:
    """Return the number of the step after which exactly these tasks were seen, in this order."""
    if record.description.all_at_once:
        reached, how = sorted(seen) == record.names, "all at once"
    else:
        reached, how = list(seen) == record.order[: len(seen)], "in this order"
    if not reached:
        raise ConfigError(
            f"run {record.description.run_id} learned {', '.join(record.order)} {how}; "
            f"it never was in the state after {', '.join(seen)}"
        )
    return len(seen) - 1


def correlation_table(record: RunRecord, mos: np.ndarray) -> np.ndarray:
    """Correlate predictions with opinion scores, for a record that is to be kept without them.

    From ``mos``, float64 [N], to float64 [states, readouts, T, measures]; NaN for the ``oracle`` of
    a task without a head.
    """
    rated = replace(record, mos=mos, cache={})
    axes = states(record), record.tabulated, record.names, MEASURES
    values = [
        srcc(rated, readout, seen, task, measure) for seen, readout, task, measure in product(*axes)
    ]
    return np.array(values).reshape([len(axis) for axis in axes])


def srcc(
    record: RunRecord, readout: str, seen: Sequence[str], task: str, measure: str = "srcc"
) -> float:
    """Return a correlation with opinion scores on one task's test set.

    ``measure`` is one of :data:`MEASURES`; the rest, and what is raised, as in :func:`predictions`.
    """
    check_readout(record, readout)
    state = tuple(seen)
    if not _any_order(record):
        _step(record, state)
    elif readout in ("oracle", "latest"):
        # One head alone: whatever else was seen, and however a single head is mixed.
        state, readout = (task,) if readout == "oracle" else state[-1:], "gated"
    key = (measure, readout, frozenset(state), task)
    if key not in record.cache:
        if record.mos is None:
            record.cache[key] = _tabulated(record, readout, state, task, measure)
        else:
            predicted, known = predictions(record, readout, state), record.mos[record.rows(task)]
            correlation = getattr(metrics, measure)
            has_head = task in predicted  # nobody is told a task that has no head yet
            record.cache[key] = correlation(predicted[task], known) if has_head else np.nan
    return record.cache[key]


def _tabulated(
    record: RunRecord, readout: str, state: tuple[str, ...], task: str, measure: str
) -> float:
    known = [frozenset(seen) for seen in states(record)]
    if frozenset(state) not in known:
        raise ConfigError(
            f"run {record.description.run_id} does not tabulate the state after {', '.join(state)}"
        )
    row, column = known.index(frozenset(state)), record.tabulated.index(readout)
    place = row, column, record.names.index(task), MEASURES.index(measure)
    return float(record.correlations[place])


def srcc_matrix(
    record: RunRecord, readout: str, order: Sequence[str] | None = None, measure: str = "srcc"
) -> np.ndarray:
    """Return S: SRCC on task s (column) after learning task t (row), NaN where s > t.

    Another ``order`` than the run's is for strategies that do not depend on it; ``measure`` is one
    of :data:`MEASURES`.
    """
    order = list(order or record.order)
    matrix = np.full((len(order), len(order)), np.nan)
    for t in [len(order) - 1] if record.description.all_at_once else range(len(order)):
        for s in range(t + 1):
            matrix[t, s] = srcc(record, readout, order[: t + 1], order[s], measure)
    return matrix


def agreement_matrix(
    record: RunRecord, readout: str, order: Sequence[str] | None = None
) -> np.ndarray:
    """Return the SRCC between predictions for task s after task t and those right after s.

    It needs no opinion scores; it is the ground of the stability index. NaN where s > t.
    """
    order = list(order or record.order)
    matrix = np.full((len(order), len(order)), np.nan)
    for t in [] if record.description.all_at_once else range(len(order)):
        for s in range(t + 1):
            early, late = order[: s + 1], order[: t + 1]
            key = ("agreement", readout, early[-1], frozenset(early), late[-1], frozenset(late))
            if key not in record.cache:
                first, second = (predictions(record, readout, seen) for seen in (early, late))
                record.cache[key] = metrics.srcc(second[order[s]], first[order[s]])
            matrix[t, s] = record.cache[key]
    return matrix


#: Measures of a whole run, see tsniqa.metrics; the first two are of its last row of S alone.
SUMMARY = (
    "mean SRCC", "weighted SRCC", "mPI", "mSI", "mPSI", "mSRCC", "MPSR", "backward transfer",
    "forgetting",
)  # fmt: skip


def summary(
    record: RunRecord, readout: str, order: Sequence[str] | None = None
) -> dict[str, float]:
    """Return the measures :data:`SUMMARY`; NaN where the strategy has none (``joint``)."""
    order = list(order or record.order)
    matrix, agreement = (f(record, readout, order) for f in (srcc_matrix, agreement_matrix))
    counts = np.array([record.tasks[task].images["test"] for task in order])
    values = (
        float(matrix[-1].mean()),
        float(np.average(matrix[-1], weights=counts)),
        metrics.mean_plasticity(matrix),
        metrics.mean_stability(agreement),
        metrics.mean_plasticity_stability(matrix, agreement),
        metrics.mean_srcc(matrix),
        metrics.mpsr(matrix),
        metrics.backward_transfer(matrix),
        metrics.forgetting(matrix),
    )
    return dict(zip(SUMMARY, values, strict=True))

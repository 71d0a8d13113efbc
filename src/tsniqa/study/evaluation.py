"""What a record says: S matrices, stability, bootstrap draws, for any order and use of heads."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from tsniqa import metrics
from tsniqa.errors import ConfigError, unknown_name
from tsniqa.model.gating import softmin_weights
from tsniqa.model.readouts import mix
from tsniqa.seeds import derive_seed
from tsniqa.study.record import MEASURES, RunRecord

DRAWS = 1000
"""Bootstrap draws; their resampling depends on (task, split) alone, so any two records pair."""

LARGEST_POWERSET = 8
"""With more tasks than this, only single tasks and prefixes of the run's order are tabulated."""

Seen = tuple[str, ...]


def states(record: RunRecord) -> list[Seen]:
    """List the sets of seen tasks that a record tabulates: rows of ``correlations``.

    With one head a task, what was learned does not depend on the order, so every non-empty subset
    has its results; otherwise only the prefixes of the order that was run exist.
    """
    order = record.order
    if record.description.all_at_once:
        return [tuple(order)]
    prefixes = [tuple(order[: step + 1]) for step in range(len(order))]
    if not record.description.gated or record.description.drifting:
        return prefixes
    if len(order) > LARGEST_POWERSET:
        return [*((name,) for name in record.names), *prefixes[1:]]
    sizes = range(1, len(order) + 1)
    return [subset for size in sizes for subset in combinations(record.names, size)]


def predictions(record: RunRecord, use: str, seen: Sequence[str]) -> dict[str, np.ndarray]:
    """Compute the quality of every task's test images after some tasks were seen.

    Args:
        record: A finished run.
        use: A way to use the heads, one of ``record.uses``.
        seen: Names of the seen tasks in order; the last is the ``latest``.

    Returns:
        For each task of the run, float64 [n]. With ``oracle`` only seen tasks have an entry.

    Raises:
        ConfigError: The record has no such use, or never saw exactly these tasks.
    """
    if use not in record.uses:
        raise unknown_name("use", use, record.uses)
    if use == "single":
        scores = record.head("shared", _step(record, seen))
        return {task: scores[record.rows(task)] for task in record.names}
    # A head that later tasks do not change says the same at every step from its own on.
    step = _step(record, seen) if record.description.drifting else None
    if use == "oracle":
        return {task: record.head(task, step)[record.rows(task)] for task in sorted(seen)}
    if use == "latest":
        scores = record.head(seen[-1], step)
        return {task: scores[record.rows(task)] for task in record.names}
    key = (use, frozenset(seen))
    if key not in record.cache:
        if use == "half":
            mixed = (record.head(seen[-1], step) + _mixture(record, "gated", seen, step)) / 2
        else:
            mixed = _mixture(record, use, seen, step)
        record.cache[key] = {task: mixed[record.rows(task)] for task in record.names}
    return record.cache[key]


def _mixture(record: RunRecord, use: str, seen: Sequence[str], step: int | None) -> np.ndarray:
    seen = sorted(seen)
    columns = [record.names.index(task) for task in seen]
    heads = np.stack([record.head(task, step) for task in seen], axis=1)
    offset = {event.head: event.offset for event in record.description.events}
    offsets = np.array([offset[task] for task in seen])
    temperature = record.description.preset.gate.temperature
    distances = None if record.distances is None else record.distances[:, columns]
    return mix(heads, distances, use, offsets, temperature)


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
    """Correlate predictions with opinion scores for every state, mixture and task.

    Args:
        record: A run with scores and distances.
        mos: Float64 [N].

    Returns:
        Float64 [states, mixtures, T, measures].
    """
    table = np.full(
        (len(states(record)), len(record.mixtures), len(record.names), len(MEASURES)), np.nan
    )
    for i, seen in enumerate(states(record)):
        for j, use in enumerate(record.mixtures):
            predicted = predictions(record, use, seen)
            for k, task in enumerate(record.names):
                if task not in predicted:
                    continue  # nobody is told a task that has no head yet
                for m, measure in enumerate(MEASURES):
                    function = getattr(metrics, measure)
                    table[i, j, k, m] = function(predicted[task], mos[record.rows(task)])
    return table


def srcc(
    record: RunRecord, use: str, seen: Sequence[str], task: str, measure: str = "srcc"
) -> float:
    """Look up a correlation with opinion scores on one task's test set.

    Args:
        record: A finished run.
        use: A way to use the heads.
        seen: Names of the seen tasks, the last being the latest.
        task: Whose test images.
        measure: ``srcc``, ``plcc`` (raw) or ``krcc``.

    Raises:
        ConfigError: The record has no such use, or never saw exactly these tasks.
    """
    if use not in record.uses:
        raise unknown_name("use", use, record.uses)
    if use == "single":
        _step(record, seen)
    state = tuple(seen)
    if not record.description.drifting:
        state = {"oracle": (task,), "latest": state[-1:]}.get(use, state)
    row = use if use in record.mixtures else "gated"
    index = {frozenset(known): i for i, known in enumerate(states(record))}
    if frozenset(state) not in index:
        _step(record, seen)
        raise ConfigError(f"run {record.description.run_id} does not tabulate {', '.join(seen)}")
    place = index[frozenset(state)], record.mixtures.index(row), record.names.index(task)
    return float(record.correlations[(*place, MEASURES.index(measure))])


def srcc_matrix(record: RunRecord, use: str, order: Sequence[str] | None = None) -> np.ndarray:
    """Return S: SRCC on task s (column) after learning task t (row), NaN where s > t.

    Args:
        record: A finished run.
        use: A way to use the heads.
        order: Another task order; only strategies with one head a task have its results.
    """
    order = list(order or record.order)
    matrix = np.full((len(order), len(order)), np.nan)
    for t in range(len(order)):
        if record.description.all_at_once and t + 1 < len(order):
            continue
        for s in range(t + 1):
            matrix[t, s] = srcc(record, use, order[: t + 1], order[s])
    return matrix


def agreement_matrix(record: RunRecord, use: str, order: Sequence[str] | None = None) -> np.ndarray:
    """Return the SRCC between predictions for task s after task t and those right after s.

    It needs no opinion scores; it is the ground of the stability index. NaN where s > t.
    """
    order = list(order or record.order)
    matrix = np.full((len(order), len(order)), np.nan)
    if record.description.all_at_once:
        return matrix
    for t in range(len(order)):
        for s in range(t + 1):
            early, late = order[: s + 1], order[: t + 1]
            key = ("agreement", use, early[-1], frozenset(early), late[-1], frozenset(late))
            if key not in record.cache:
                first = predictions(record, use, early)[order[s]]
                second = predictions(record, use, late)[order[s]]
                record.cache[key] = metrics.srcc(second, first)
            matrix[t, s] = record.cache[key]
    return matrix


def summary(record: RunRecord, use: str, order: Sequence[str] | None = None) -> dict[str, float]:
    """Return all summary measures; NaN where the strategy has none (``joint``).

    Returns:
        ``mPI``, ``mSI``, ``mPSI``, ``mSRCC``, ``MPSR``, and of the last row of S ``mean SRCC`` and
        ``weighted SRCC`` (by numbers of test images).
    """
    order = list(order or record.order)
    matrix, agreement = (f(record, use, order) for f in (srcc_matrix, agreement_matrix))
    counts = np.array([record.tasks[task].images["test"] for task in order])
    return {
        "mPI": metrics.mean_plasticity(matrix),
        "mSI": metrics.mean_stability(agreement),
        "mPSI": metrics.mean_plasticity_stability(matrix, agreement),
        "mSRCC": metrics.mean_srcc(matrix),
        "MPSR": metrics.mpsr(matrix),
        "mean SRCC": float(matrix[-1].mean()),
        "weighted SRCC": metrics.weighted_srcc(matrix[-1], counts),
    }


def final_rows(record: RunRecord) -> list[str]:
    """Name the rows of ``draws``: every tabulated use, then every head that stays as it is."""
    stays = record.description.gated and not record.description.drifting
    return [*record.mixtures, *(record.names if stays else [])]


def bootstrap_table(record: RunRecord, mos: np.ndarray) -> np.ndarray:
    """Draw bootstrap SRCC of every final use of heads; float32 [rows, T, 1000]."""
    rows = [
        [_draw(record, name, task, mos) for task in record.names] for name in final_rows(record)
    ]
    return np.asarray(rows)


def _draw(record: RunRecord, name: str, task: str, mos: np.ndarray) -> np.ndarray:
    """Draw the bootstrap SRCC of one of the final rows on one task; float32 [1000]."""
    use = "latest" if name in record.names else name
    seen = [name] if name in record.names else record.order
    predicted = predictions(record, use, seen)[task]
    draws = metrics.bootstrap_srcc(predicted, mos[record.rows(task)], resamples(record, task))
    return draws.astype(np.float32)


def resamples(record: RunRecord, task: str) -> np.ndarray:
    """Return the bootstrap indices [1000, n] of a task's test images: the same in all records."""
    count = len(record.description.test_images[task])
    return metrics.bootstrap_indices(count, DRAWS, derive_seed(0, task, record.config.split))


def bootstrap(record: RunRecord, use: str, task: str) -> np.ndarray:
    """Return the bootstrap SRCC draws [1000] on one task after the last task was learned."""
    if use not in record.uses:
        raise unknown_name("use", use, record.uses)
    row = use
    if not record.description.drifting:
        row = {"oracle": task, "latest": record.order[-1]}.get(use, use)
    if record.draws is not None:
        return record.draws[final_rows(record).index(row), record.names.index(task)]
    key = ("bootstrap", row, task)  # records of simulated tasks draw what is asked of them
    if key not in record.cache:
        record.cache[key] = _draw(record, row, task, record.mos)
    return record.cache[key]


def gate_weights(record: RunRecord, task: str) -> np.ndarray:
    """Return the weights [n, T] of all heads (name order) for one task's test images.

    Raises:
        ConfigError: The strategy has no gate.
    """
    if record.distances is None:
        raise ConfigError(f"strategy '{record.config.strategy}' has no gate")
    temperature = record.description.preset.gate.temperature
    return softmin_weights(record.distances[record.rows(task)], temperature)

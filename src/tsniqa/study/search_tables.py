"""What a search says: every candidate's validation SRCC, how noisy it is, and the choice made."""

import numpy as np
import pandas as pd

from tsniqa.errors import unknown_name
from tsniqa.study.presets import load_preset
from tsniqa.study.search import SearchRecord


def standard_error(srcc: float | np.ndarray, images: int | np.ndarray) -> np.ndarray:
    """Approximate the standard error of a correlation r over n images: (1 - r^2) / sqrt(n - 1).

    Args:
        srcc: In [-1, 1].
        images: At least 2.
    """
    return (1 - np.square(srcc)) / np.sqrt(np.subtract(images, 1))


def search_table(record: SearchRecord, counts: dict[str, int]) -> pd.DataFrame:
    """List the trials of a search.

    Args:
        record: A search; it may be unfinished.
        counts: Number of validation images of each task.

    Returns:
        One row a trial, in the order of the plan's candidates: ``candidate``, ``task``, ``head
        alone`` (best validation SRCC of step one), ``validation SRCC`` (of both steps), ``standard
        error`` (see :func:`standard_error`), ``minutes``.
    """
    position = {candidate.name: i for i, candidate in enumerate(record.plan.candidates)}
    trials = sorted(record.trials, key=lambda trial: position[trial.candidate])
    return pd.DataFrame(
        {
            "candidate": [trial.candidate for trial in trials],
            "task": [trial.task for trial in trials],
            "head alone": [trial.head_only for trial in trials],
            "validation SRCC": [trial.best for trial in trials],
            "standard error": [
                float(standard_error(trial.best, counts[trial.task])) for trial in trials
            ],
            "minutes": [trial.seconds / 60 for trial in trials],
        }
    )


def candidate_table(record: SearchRecord) -> pd.DataFrame:
    """Lay out the candidates with their validation SRCC, tasks in columns.

    Returns:
        Indexed by candidate in the plan's order: a column a task, ``mean`` (NaN until every task is
        tried) and ``differs by`` (what it changes of the preset).
    """
    values = {(trial.candidate, trial.task): trial.best for trial in record.trials}
    rows = {}
    for candidate in record.plan.candidates:
        row = {task: values.get((candidate.name, task), np.nan) for task in record.plan.tasks}
        changes = [f"strategy {candidate.strategy}"] if candidate.strategy != "tsn" else []
        changes += [f"card {candidate.backbone}"] if candidate.backbone else []
        changes += [f"{path} = {value}" for path, value in candidate.overrides.items()]
        differs = ", ".join(changes) or "nothing"
        rows[candidate.name] = {**row, "mean": np.mean(list(row.values())), "differs by": differs}
    return pd.DataFrame(rows).T.infer_objects()


def chosen(record: SearchRecord, strategies: tuple[str, ...] | None = None) -> str | None:
    """Name the finished candidate with the highest mean validation SRCC; the first of equals.

    Args:
        record: A search.
        strategies: Only candidates of these; None is all.

    Returns:
        Its name; None if no candidate has been tried on every task.
    """
    means = candidate_table(record)["mean"].astype(float)
    if strategies is not None:
        names = [c.name for c in record.plan.candidates if c.strategy in strategies]
        means = means[names]
    return None if means.isna().all() else str(means.idxmax())


def adopted(record: SearchRecord, name: str) -> bool:
    """Tell whether the search's preset, as it is now, has the values of a candidate.

    Args:
        record: A search.
        name: One of its candidates.

    Raises:
        ConfigError: There is no such candidate.
    """
    candidates = {candidate.name: candidate for candidate in record.plan.candidates}
    if name not in candidates:
        raise unknown_name("candidate", name, candidates)
    candidate, preset = candidates[name], load_preset(record.plan.preset)
    changed = load_preset(record.plan.preset, candidate.overrides)
    return changed == preset and candidate.backbone in (None, preset.backbone)


def choice_note(record: SearchRecord) -> str:
    """Say in Markdown which candidate is best for each strategy, and whether the preset has it."""
    means = candidate_table(record)["mean"]
    lines = []
    for strategy in dict.fromkeys(candidate.strategy for candidate in record.plan.candidates):
        name = chosen(record, (strategy,))
        if name is None:
            lines.append(f"- `{strategy}`: no candidate has been tried on every task.")
            continue
        taken = "the preset has" if adopted(record, name) else "the preset does **not** have"
        lines.append(
            f"- `{strategy}`: *{name}*, mean validation SRCC {means[name]:.3f}; {taken} its values."
        )
    return "\n".join(lines)

"""What a sweep says: its trials as a table, and the value that is chosen for every strategy."""

import numpy as np
import pandas as pd

from tsniqa.strategies import find_strategy
from tsniqa.study.config import load_preset
from tsniqa.study.evaluation import meant_readout
from tsniqa.study.sweep import BOTH_STEPS, Candidate, SweepRecord


def setting(candidate: Candidate) -> tuple[str, float]:
    """Return what alone a candidate changes of the preset: its ``rate`` or its ``weight``.

    With the value; a candidate that changes anything else has the setting ``""`` and NaN. Rates may
    be tried at the published weights: then ``weights`` is empty.
    """
    changed = {path: values for path, values in candidate.overrides.items() if values != {}}
    for name in ("rate", "weight"):
        values = changed.get(f"{name}s")
        if len(changed) == 1 and values and list(values) == [candidate.strategy]:
            return name, float(values[candidate.strategy])
    return "", np.nan


def trial_results(record: SweepRecord) -> pd.DataFrame:
    """Tabulate the trials of a sweep, one validation SRCC a row.

    Returns:
        ``candidate`` (in the order of the sweep), ``strategy``, ``setting`` and ``value`` (see
        :func:`setting`), ``readout`` (or step), ``task``, ``srcc``, ``judged`` (whether the
        candidate is judged by this readout), ``seconds`` (of the whole trial).
    """
    rows, preset = [], load_preset(record.sweep.preset)
    for candidate in record.sweep.candidates:
        name = candidate.strategy
        known = (candidate.name, name, *setting(candidate))
        judge = meant_readout(find_strategy(name).main_readout, preset)
        judge = BOTH_STEPS if record.sweep.each_task_alone else judge
        for trial in [one for one in record.trials if one.candidate == candidate.name]:
            for readout, values in trial.srcc.items():
                for task, value in values.items():
                    rows.append((*known, readout, task, value, readout == judge, trial.seconds))
    columns = ["candidate", "strategy", "setting", "value", "readout", "task", "srcc"]
    table = pd.DataFrame(rows, columns=[*columns, "judged", "seconds"])
    return table.astype({"value": float, "judged": bool})


def choice_table(record: SweepRecord) -> pd.DataFrame:
    """Choose the rate and the weight of every strategy: the highest mean validation SRCC.

    A candidate with constant predictions on a task (a mean of NaN) is never chosen; of equals the
    first is. A strategy with a trial missing has no choice yet.

    Returns:
        Indexed by ``strategy`` and ``setting``: the chosen ``candidate``, its ``value`` and its
        ``mean`` over tasks, how many ``candidates`` there were, and whether the value is ``at the
        edge``: the lowest or the highest that was tried.
    """
    results = trial_results(record).query("judged and setting != ''")
    candidates = [one for one in record.sweep.candidates if setting(one)[0]]
    wanted = pd.Series([(one.strategy, setting(one)[0]) for one in candidates]).value_counts()
    rows = []
    for group, own in results.groupby(["strategy", "setting"], sort=False):
        means = own.groupby("candidate", sort=False)["srcc"].agg(lambda of: of.mean(skipna=False))
        if len(own) < wanted[group] * len(record.sweep.order()) or means.isna().all():
            continue
        best = means.idxmax()
        value = own.loc[own["candidate"] == best, "value"].iloc[0]
        edge = value in (own["value"].min(), own["value"].max())
        rows.append((*group, best, value, means[best], len(means), edge))
    columns = ["strategy", "setting", "candidate", "value", "mean", "candidates", "at the edge"]
    return pd.DataFrame(rows, columns=columns).set_index(["strategy", "setting"])

"""What a weight search says: the grid of every strategy, and the weight that was chosen."""

import numpy as np
import pandas as pd

from tsniqa.strategies import find_strategy
from tsniqa.study.presets import load_preset
from tsniqa.study.weight_search import WeightRecord


def weight_table(record: WeightRecord, use: str | None = None) -> pd.DataFrame:
    """Lay out the mean validation SRCC over tasks, strategies in rows, factors in columns.

    Args:
        record: A search; it may be unfinished.
        use: A use of the heads; None is every strategy's main use.

    Returns:
        Indexed by strategy in the plan's order; NaN where nothing was tried.
    """
    table = pd.DataFrame(
        np.nan, index=list(record.plan.strategies), columns=sorted(record.plan.factors)
    )
    for trial in record.trials:
        if trial.strategy in table.index and trial.factor in table.columns:
            own = trial.srcc.get(use or find_strategy(trial.strategy).main_use, {})
            table.loc[trial.strategy, trial.factor] = np.mean(list(own.values())) if own else np.nan
    return table.rename_axis(index="strategy", columns="factor")


def chosen_weights(record: WeightRecord) -> dict[str, float]:
    """Choose for every strategy the weight with the highest mean validation SRCC of its main use.

    Of equals the one nearest to the published weight is taken. A weight with constant predictions
    on a task (a mean of NaN) is never chosen. A strategy whose grid is not finished has none.
    """
    table = weight_table(record)
    weights = {(trial.strategy, trial.factor): trial.weight for trial in record.trials}
    chosen = {}
    for strategy, values in table.iterrows():
        tried = all((strategy, factor) in weights for factor in values.index)
        if tried and not values.isna().all():
            best = values.index[values == values.max()]
            factor = min(best, key=lambda factor: abs(np.log(factor)))
            chosen[str(strategy)] = weights[strategy, factor]
    return chosen


def choice_table(record: WeightRecord) -> pd.DataFrame:
    """Put published and chosen weights side by side.

    Returns:
        One row a strategy: ``strategy``, ``use`` it is judged by, ``published weight``, ``chosen
        weight``, ``gain`` (mean validation SRCC at the chosen weight minus that at the published
        one; NaN if that is not on the grid) and ``the preset has it``.
    """
    table, chosen = weight_table(record), chosen_weights(record)
    preset = load_preset(record.plan.preset).weights
    weights = {(trial.strategy, trial.weight): trial.factor for trial in record.trials}
    rows = []
    for strategy, weight in chosen.items():
        known = find_strategy(strategy)
        values = table.loc[strategy]
        gain = values[weights[strategy, weight]] - values.get(1.0, np.nan)
        present = preset.get(strategy, known.default_weight)
        rows.append(
            (strategy, known.main_use, known.default_weight, weight, gain, _yes(present == weight))
        )
    columns = "strategy|use|published weight|chosen weight|gain|the preset has it"
    return pd.DataFrame(rows, columns=columns.split("|"))


def at_the_edge(record: WeightRecord) -> list[str]:
    """Name the strategies whose chosen weight is the grid's smallest or largest."""
    chosen = chosen_weights(record)
    factors = {(trial.strategy, trial.weight): trial.factor for trial in record.trials}
    ends = (min(record.plan.factors), max(record.plan.factors))
    return [name for name, weight in chosen.items() if factors[name, weight] in ends]


def _yes(condition: bool) -> str:
    return "yes" if condition else "no"

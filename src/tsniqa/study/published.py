"""Published numbers beside measured ones, each with the source it was read in.

The file ``data/published.yml`` holds what the papers report. A number that nobody read is no
number: its place stays empty. What the papers say in words is judged by :mod:`tsniqa.study.claims`.
"""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Literal, NamedTuple, Self

import numpy as np
import pandas as pd
import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from tsniqa.errors import ConfigError, TsniqaError, unknown_name
from tsniqa.model.readouts import READOUTS
from tsniqa.strategies import find_strategy
from tsniqa.study.comparison import weight_is_current
from tsniqa.study.presets import load_preset
from tsniqa.study.record import RunRecord, find_records
from tsniqa.study.ways import SUMMARY, measures

TOLERANCE = 0.02
"""A number counts as reproduced if the mean of the runs lies within this of it."""

REPRODUCED, NOT_REPRODUCED = "reproduced", "not reproduced"
NOT_MEASURED = "not measured"
"""There is no record of this strategy, preset and order."""
NOT_READ = "no number read"
"""The file has no number for this place, so there is nothing to reproduce."""


class Source(BaseModel):
    """Where numbers and claims come from.

    Attributes:
        citation: Authors, title, place and year.
        address: Where it can be found.
        read: What was read of it, so that a reader can find it again.
        read_on: The day it was read.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, str_min_length=1)

    citation: str
    address: str
    read: str
    read_on: date


class Side(BaseModel):
    """A strategy and a way to use its heads.

    Attributes:
        strategy: Name of a strategy.
        use: ``single`` for one shared head; otherwise one of the uses of several heads.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    strategy: str
    use: str

    @model_validator(mode="after")
    def _exist(self) -> Self:
        strategy = find_strategy(self.strategy)
        uses = (
            ("single",)
            if not strategy.gated
            else (*READOUTS, "half")
            if strategy.drifting
            else READOUTS
        )
        if self.use not in uses:
            raise unknown_name("use", self.use, uses)
        return self

    @property
    def label(self) -> str:
        """What tables call it."""
        return self.strategy if self.use == "single" else f"{self.strategy} {self.use}"


class Row(Side):
    """Numbers that a source reports of one strategy.

    Attributes:
        called: The strategy's name in the source.
        source: Key of the source.
        preset: The preset that follows the source's protocol.
        order: Task order.
        values: By measure (one of :data:`tsniqa.study.ways.SUMMARY`, or a task for its SRCC
            after the last task); None was not read.
        where: Place in the source, for instance ``Table II, row 5``; needed with a number.
    """

    called: str
    source: str
    preset: str
    order: tuple[str, ...]
    values: dict[str, float | None]
    where: str = ""

    @model_validator(mode="after")
    def _have_places(self) -> Self:
        load_preset(self.preset)
        for measure, value in self.values.items():
            if measure not in (*SUMMARY, *self.order):
                raise unknown_name("measure", measure, (*SUMMARY, *self.order))
            if value is not None and not self.where:
                raise ConfigError(f"'{self.called}' has a value of {measure} without 'where'")
            if value is not None and not -1 <= value <= 1:
                raise ConfigError(f"'{self.called}': {measure} = {value} is not within -1 and 1")
        return self


class Claim(BaseModel):
    """A statement of a source that other data can support or contradict.

    Attributes:
        claim: The statement, in our words.
        source: Key of the source.
        where: Place in the source.
        first: What is said to be better.
        second: Than what.
        measure: One of :data:`tsniqa.study.ways.SUMMARY`.
        expected: Whether the first has the ``higher`` or the ``lower`` value.
        by: ``value`` compares the measure in every run; ``order spread`` compares how far it
            varies over task orders.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    claim: str
    source: str
    where: str
    first: Side
    second: Side
    measure: str
    expected: Literal["higher", "lower"]
    by: Literal["value", "order spread"] = "value"

    @model_validator(mode="after")
    def _has_a_measure(self) -> Self:
        if self.measure not in SUMMARY:
            raise unknown_name("measure", self.measure, SUMMARY)
        return self


class Published(BaseModel):
    """The content of ``data/published.yml``.

    Attributes:
        sources: By key.
        rows: Numbers.
        claims: By key.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    sources: dict[str, Source]
    rows: tuple[Row, ...] = ()
    claims: dict[str, Claim] = {}

    @model_validator(mode="after")
    def _name_sources(self) -> Self:
        for one in (*self.rows, *self.claims.values()):
            if one.source not in self.sources:
                raise unknown_name("source", one.source, self.sources)
        return self


def load_published(path: Path) -> Published:
    """Read the file of published numbers and claims.

    Raises:
        ConfigError: It is missing or not valid: an unknown strategy, use, measure or source, a
            number without its place in the source, or a field that does not exist.
    """
    try:
        return Published.model_validate(yaml.safe_load(path.read_text()))
    except OSError as error:
        raise ConfigError(f"no published numbers at {path}; see data/published.yml") from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{path}: {field}: {first['msg']}; correct the entry") from error
    except (yaml.YAMLError, UnicodeDecodeError, TsniqaError) as error:
        raise ConfigError(f"{path}: {' '.join(str(error).split())}") from error


def source_list(published: Published) -> str:
    """List the sources in Markdown: key, citation, address, what was read of it and when."""
    return "\n".join(
        f"- **{key}**: {source.citation} (<{source.address}>). "
        f"Read on {source.read_on}: {source.read}"
        for key, source in published.sources.items()
    )


class Measured(NamedTuple):
    """What the runs of one row came to.

    Attributes:
        mean: Mean over runs; NaN without any.
        low: Smallest value of a run.
        high: Largest.
        runs: How many.
    """

    mean: float
    low: float
    high: float
    runs: int


def plain_records(
    results_dir: Path, preset: str, strategy: str, order: Sequence[str] | None = None
) -> list[RunRecord]:
    """Find the records of a preset as it is: no override, no other backbone, no imported split.

    Nor another weight of the strategy than the preset's own.

    Args:
        results_dir: Folder of published records; it need not exist.
        preset: Name of the preset.
        strategy: Name of the strategy.
        order: Task order; None is any.

    Returns:
        One record for each seed, split and order, that of the newest version of the code.
    """
    wanted = {"overrides": {}, "backbone": None, "splits_from": None, "task_order": order}
    found = find_records(results_dir, preset=preset, strategy=strategy, **wanted)
    found = [record for record in found if weight_is_current(record)]
    found.sort(key=lambda record: record.description.results_version)
    newest = {(record.config.seed, record.config.split, *record.order): record for record in found}
    return [newest[key] for key in sorted(newest)]


def measured(records: Sequence[RunRecord], use: str, measure: str) -> Measured:
    """Average one measure over runs.

    Args:
        records: Runs of one strategy and order.
        use: A way to use the heads.
        measure: See :class:`Row`.
    """
    values = [measures(record, use)[measure] for record in records]
    if not values:
        return Measured(np.nan, np.nan, np.nan, 0)
    return Measured(float(np.mean(values)), min(values), max(values), len(values))


def verdict(value: float | None, found: Measured) -> str:
    """Judge one number.

    It is reproduced if the mean of the runs is within :data:`TOLERANCE` of it, or if it lies
    between the lowest and the highest run.

    Args:
        value: The published number, or None.
        found: What was measured.
    """
    if value is None:
        return NOT_READ
    if not found.runs or np.isnan(found.mean):
        return NOT_MEASURED
    # Decimals as printed: 0.88 and 0.90 are 0.02 apart, whatever their binary forms are.
    near = round(abs(found.mean - value), 9) <= TOLERANCE
    return REPRODUCED if near or found.low <= value <= found.high else NOT_REPRODUCED


def number_table(published: Published, results_dir: Path) -> pd.DataFrame:
    """Put every published number beside the measured one.

    Args:
        published: From :func:`load_published`.
        results_dir: Folder of published records.

    Returns:
        One row a number: ``strategy`` (its label here), ``called`` (in the source), ``measure``,
        ``preset``, ``runs``, ``measured`` (their mean), ``published``, ``reproduced?`` (see
        :func:`verdict`), ``source`` and ``where``; NaN where there is no number.
    """
    rows = []
    for row in published.rows:
        records = plain_records(results_dir, row.preset, row.strategy, row.order)
        for measure, value in row.values.items():
            found = measured(records, row.use, measure)
            rows.append(
                {
                    "strategy": row.label,
                    "called": row.called,
                    "measure": measure,
                    "preset": row.preset,
                    "runs": found.runs,
                    "measured": found.mean,
                    "published": np.nan if value is None else value,
                    "reproduced?": verdict(value, found),
                    "source": row.source,
                    "where": row.where,
                }
            )
    return pd.DataFrame(rows)

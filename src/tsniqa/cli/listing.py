"""What there is: the commands `tsniqa list`, `tsniqa compare-records` and `tsniqa summary`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from tsniqa.cli.options import DATA_ROOT, RECORDS, DataRoot, ResultsDir, path_option
from tsniqa.errors import RecordError
from tsniqa.paths import written_whole

PUBLISHED = Path("results/records")
PublishedDir = Annotated[Path, path_option("Folder of published records.")]


def list_names(data_root: DataRoot = DATA_ROOT) -> None:
    """List presets, strategies, tasks and backbones."""
    from tsniqa.data import task_names
    from tsniqa.paths import shipped
    from tsniqa.strategies import STRATEGIES
    from tsniqa.study.config import load_preset, preset_names

    typer.echo("presets")
    for name in preset_names():
        typer.echo(f"  {name}: {load_preset(name).description}")
    typer.echo("strategies")
    for name, strategy in STRATEGIES.items():
        typer.echo(f"  {name}: {sys.modules[strategy.__module__].__doc__.splitlines()[0]}")
    backbones = sorted(card.stem for card in shipped("backbones").glob("*.yml"))
    typer.echo(f"tasks\n  {', '.join(task_names(data_root))}")
    typer.echo(f"backbones\n  {', '.join(backbones)}")


def compare_records(
    results_dir: ResultsDir = RECORDS,
    published: PublishedDir = PUBLISHED,
) -> None:
    """Print how the records made here differ from the published ones of the same runs.

    Then whether every strategy's difference to tsn is judged alike, with the runs as they were made
    here and as published, and how many published verdicts are below the numerical noise that
    another machine makes (the book's status page lists them).
    """
    from tsniqa.study.bootstrap import MEAN
    from tsniqa.study.machines import numerical_noise, shared_runs, verdicts

    if not published.is_dir():
        raise RecordError(f"there is no folder {published}; name one of records by --published")
    *both, rest = shared_runs(results_dir, published)
    if not both[0]:
        typer.echo("no run here has a published record to compare with")
        return
    for side, records in zip(("here", "published"), both, strict=True):
        typer.echo(f"{side}: {', '.join(sorted({one.description.device for one in records}))}")
    typer.echo(f"\nnumerical noise\n{numerical_noise(*both).reset_index().to_string(index=False)}")
    found = verdicts(*both, rest)
    shown = found.columns.drop(["changed", "below noise"])
    changed, small = (found.loc[found[name], shown] for name in ("changed", "below noise"))
    if changed.empty:
        typer.echo(f"\nsame verdicts ({len(found)} differences of strategies to tsn)")
    else:
        typer.echo(f"\nchanged verdicts\n{changed.to_string(index=False)}")
    if len(small):
        typer.echo(f"\npublished verdicts below the noise: {len(small)}; of means over tasks")
        means = small[small["task"] == MEAN]
        typer.echo(means.to_string(index=False) if len(means) else "none")


def summary(
    published: PublishedDir = PUBLISHED,
    out: Annotated[Path, path_option("The file to write.")] = Path("results/summary.csv"),
) -> None:
    """Write the final results of all published records into one tidy table."""
    from tsniqa.study.results import find_records, summary_table

    records = find_records(published)
    if not records:
        raise RecordError(f"there is no finished run in {published}; name a folder of records")
    table = summary_table(records)
    with written_whole(out) as path:
        table.to_csv(path, index=False, float_format="%.4f", lineterminator="\n")
    typer.echo(f"summary: {out} ({len(table)} rows)")

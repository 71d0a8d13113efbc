"""What there is: the commands `tsniqa list` and `tsniqa compare-records`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from tsniqa.cli.options import DATA_ROOT, RECORDS, DataRoot, ResultsDir, path_option


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
    published: Annotated[Path, path_option("Folder of published records.")] = Path(
        "results/records"
    ),
) -> None:
    """Print how the records made here differ from the published ones of the same runs."""
    from tsniqa.study.results import largest_differences

    table = largest_differences(results_dir, published)
    if table.empty:
        typer.echo("no run here has a published record to compare with")
    else:
        typer.echo(table.to_string(index=False))

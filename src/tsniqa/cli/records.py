"""The command `tsniqa compare-records`."""

from pathlib import Path
from typing import Annotated

import typer

from tsniqa.cli.options import PUBLISHED, RECORDS, ResultsDir, located


def compare_records(
    results_dir: ResultsDir = RECORDS,
    published: Annotated[Path, typer.Option(help="Folder of published records.")] = PUBLISHED,
) -> None:
    """Print how the records made here differ from the published ones of the same runs."""
    from tsniqa.study.results import largest_differences

    table = largest_differences(located(results_dir), located(published))
    if table.empty:
        typer.echo("no run here has a published record to compare with")
    else:
        typer.echo(table.to_string(index=False))

"""The command `tsniqa compare-records`."""

from pathlib import Path
from typing import Annotated

import typer

from tsniqa.cli.options import PUBLISHED, RECORDS, ResultsDir, from_here


def compare_records(
    results_dir: ResultsDir = RECORDS,
    published: Annotated[
        Path, typer.Option(callback=from_here, help="Folder of published records.")
    ] = PUBLISHED,
) -> None:
    """Print how the records made here differ from the published ones of the same runs."""
    from tsniqa.study.results import largest_differences

    table = largest_differences(results_dir, published)
    if table.empty:
        typer.echo("no run here has a published record to compare with")
    else:
        typer.echo(table.to_string(index=False))

"""The command `tsniqa bench`."""

from pathlib import Path
from typing import Annotated

import typer

from tsniqa.cli.options import RECORDS, located
from tsniqa.paths import resolve


def bench(
    model: Annotated[
        Path | None, typer.Option(help="Model to score with; default: the mini tsn run's.")
    ] = None,
) -> None:
    """Measure scoring and learning speed against the plain published way."""
    from tsniqa.scoring.bench import report

    for line in report(None if model is None else located(model), resolve(RECORDS)):
        typer.echo(line)

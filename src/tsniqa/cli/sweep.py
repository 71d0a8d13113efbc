"""The command `tsniqa sweep`."""

from pathlib import Path
from typing import Annotated

import typer

from tsniqa.cli.options import DATA_ROOT, RECORDS, DataRoot, located
from tsniqa.paths import resolve


def sweep(
    file: Annotated[Path, typer.Argument(help="A sweep file, such as data/searches/mini.yml.")],
    data_root: DataRoot = DATA_ROOT,
    record: Annotated[
        Path | None, typer.Option(help="Sweep record; default results/searches/<name>.json.")
    ] = None,
) -> None:
    """Try the candidates of a sweep file on validation images; finished trials are kept."""
    from tsniqa.study.sweep import load_sweep, run_sweep

    default = resolve("results/searches") / f"{file.stem}.json"
    path = default if record is None else located(record)
    features = resolve(RECORDS) / "features"
    run_sweep(load_sweep(located(file)), located(data_root), path, features)
    typer.echo(f"sweep record: {path}")

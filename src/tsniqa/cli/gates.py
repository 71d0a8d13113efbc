"""The command `tsniqa gates`: the study of gates, on finished runs."""

from pathlib import Path
from typing import Annotated

import typer

from tsniqa.cli.options import DATA_ROOT, RECORDS, DataRoot, path_option
from tsniqa.paths import resolve


def gates(
    choose_on: Annotated[list[Path], typer.Option(help="A run to choose on; repeatable.")],
    read_on: Annotated[list[Path], typer.Option(help="A run to read results on; repeatable.")],
    data_root: DataRoot = DATA_ROOT,
    out: Annotated[Path, path_option("Folder of the tables.")] = Path("results/gates"),
) -> None:
    """Compare gates on finished runs with one head a task; nothing is trained.

    Runs are folders of records of one preset, such as .runs/records/mini-tsn-seed100-1a2b3c4d5e.
    """
    from tsniqa.study.gate_inputs import gate_inputs
    from tsniqa.study.gate_sets import study_gates
    from tsniqa.study.record import RunRecord

    features = resolve(RECORDS) / "features"
    chosen_on, read = (
        [gate_inputs(RunRecord.load(folder), data_root, features) for folder in folders]
        for folders in (choose_on, read_on)
    )
    for path in study_gates(chosen_on, read).save(out, read[0].record.config.preset):
        typer.echo(f"table: {path}")

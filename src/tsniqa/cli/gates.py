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
    out: Annotated[Path, path_option("Folder of the tables.")] = Path(".runs/gates"),
) -> None:
    """Compare gates on finished runs with one head a task; nothing is trained.

    Runs are folders of records of one preset, such as .runs/records/mini-tsn-seed100-1a2b3c4d5e.
    """
    from tsniqa.study.gate_inputs import gate_inputs
    from tsniqa.study.gate_sets import check_runs, study_gates
    from tsniqa.study.record import RunRecord

    records = [[RunRecord.load(folder) for folder in folders] for folders in (choose_on, read_on)]
    check_runs(*records)
    features = resolve(RECORDS) / "features"
    chosen_on, read = (
        [gate_inputs(record, data_root, features) for record in kind] for kind in records
    )
    for path in study_gates(chosen_on, read).save(out, read[0].record.config.preset):
        typer.echo(f"table: {path}")

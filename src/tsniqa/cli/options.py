"""Options that several commands share, and how their paths are meant."""

from pathlib import Path
from typing import Annotated

import typer

from tsniqa.paths import resolve

DATA_ROOT = Path("data/raw")
RECORDS = Path(".runs/records")
PUBLISHED = Path("results/records")


def from_here(
    context: typer.Context, parameter: typer.CallbackParam, path: Path | None
) -> Path | None:
    """Make the path of an option or argument absolute, as its ``callback``.

    A path that the user gives counts from the current folder, whatever it is; a default counts
    from the checkout (:func:`tsniqa.paths.resolve`).
    """
    if path is None:
        return None
    source = context.get_parameter_source(parameter.name)
    default = source is not None and source.name == "DEFAULT"
    return resolve(path) if default else Path.cwd() / path.expanduser()


SeedOption = Annotated[
    int, typer.Option(help="Seed of everything random; draws the images of mini tasks, too.")
]
DataRoot = Annotated[
    Path,
    typer.Option(
        help="Folder of datasets, one folder each (see: tsniqa data list).", callback=from_here
    ),
]
PresetOption = Annotated[str, typer.Option(help="Name of a preset (see: tsniqa list).")]
ResultsDir = Annotated[
    Path, typer.Option(callback=from_here, help="Folder that receives run records.")
]
Device = Annotated[str, typer.Option(help="auto (a GPU where there is one), cpu or cuda.")]
ModelFolder = Annotated[
    Path, typer.Option(callback=from_here, help="Folder of a saved model: <record>/model.")
]

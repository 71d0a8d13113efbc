"""Options that several commands share, and how their paths are meant."""

from pathlib import Path
from typing import Annotated

import typer
from typer.models import OptionInfo

from tsniqa.paths import resolve, shipped

DATA_ROOT = Path("data/raw")
RECORDS = Path(".runs/records")


def from_here(
    context: typer.Context, parameter: typer.CallbackParam, path: Path | None
) -> Path | None:
    """Make the path of an option or argument absolute, as its ``callback``.

    What the user gives counts from the current folder, a default from the checkout.
    """
    if path is None:
        return None
    if getattr(context.get_parameter_source(parameter.name), "name", "") == "DEFAULT":
        return resolve(path)
    return Path.cwd() / path.expanduser()


def model_folder(
    context: typer.Context, parameter: typer.CallbackParam, path: Path | None
) -> Path | None:
    """Make the path of a model absolute, as :func:`from_here`; a name may be a shipped model's."""
    here = from_here(context, parameter, path)
    if here is None or (here / "model.json").exists() or not is_shipped(shipped("models") / path):
        return here
    return shipped("models") / path


def is_shipped(model: Path) -> bool:
    """Tell whether a folder is that of a shipped model, which stays as it is."""
    return model.parent == shipped("models") and model.is_dir()


def path_option(help: str, *names: str) -> OptionInfo:
    """Describe an option that is a path, meant as :func:`from_here` says."""
    return typer.Option(*names, help=help, callback=from_here)


def model_option(help: str) -> OptionInfo:
    """Describe an option that is a model, meant as :func:`model_folder` says."""
    return typer.Option(help=help, callback=model_folder)


SeedOption = Annotated[int, typer.Option(help="Seed of everything random, mini tasks included.")]
ModelFolder = Annotated[
    Path,
    typer.Argument(
        help="Folder of a model; photographs is the shipped one.", callback=model_folder
    ),
]
DataRoot = Annotated[Path, path_option("Folder of datasets (see: tsniqa data list).")]
PresetOption = Annotated[str, typer.Option(help="Name of a preset (see: tsniqa list).")]
ResultsDir = Annotated[Path, path_option("Folder that receives run records.")]
Device = Annotated[str, typer.Option(help="auto (a GPU where there is one), cpu or cuda.")]

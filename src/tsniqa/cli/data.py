"""The commands `tsniqa data ...`. Heavy imports wait until a command needs them."""

from pathlib import Path
from typing import Annotated

import typer

from tsniqa.cli.options import DATA_ROOT, DataRoot, SeedOption, located
from tsniqa.paths import cache_folder

data_app = typer.Typer(help="Datasets.", no_args_is_help=True)


@data_app.command("list")
def data_list(data_root: DataRoot = DATA_ROOT) -> None:
    """Show every known dataset: what it is, its terms, how to get it, whether it is here."""
    from tsniqa.data.overview import lines

    for line in lines(located(data_root)):
        typer.echo(line)


@data_app.command("check")
def data_check(
    name: Annotated[
        str | None, typer.Argument(help="Name of a dataset; left out, all that are there.")
    ] = None,
    root: Annotated[
        Path, typer.Option(help="Folder of datasets, or the dataset's own folder.")
    ] = DATA_ROOT,
) -> None:
    """Say what is missing, broken, unlabelled, duplicated or left over; exit 1 if it is wrong."""
    from tsniqa.data.checking import check, find

    reports = [check(source) for source in find(name, located(root))]
    for report in reports:
        for line in report.lines():
            typer.echo(line)
    if any(report.wrong for report in reports):
        raise typer.Exit(1)


@data_app.command("fetch")
def data_fetch(
    name: Annotated[str, typer.Argument(help="Name of a dataset (see: tsniqa data list).")],
    root: Annotated[Path, typer.Option(help="Folder of datasets that receives it.")] = DATA_ROOT,
) -> None:
    """Download a dataset that is open to everybody; an interrupted download is resumed."""
    from tsniqa.data.cards import find_card
    from tsniqa.data.download import fetch

    for path in fetch(find_card(name), located(root)):
        typer.echo(path)


@data_app.command("prepare")
def data_prepare(
    source: Annotated[Path, typer.Argument(help="A dataset's folder, in any known layout.")],
    out: Annotated[Path, typer.Option(help="Folder of datasets; receives a folder a task.")],
    preset: Annotated[str, typer.Option(help="Preset that says how large images are kept.")] = (
        "open"
    ),
) -> None:
    """Bring a dataset into the generic layout and decode its images on all cores.

    An interrupted call loses nothing: the next one continues where it was.
    """
    from tsniqa.data.cache import DecodedCache
    from tsniqa.data.preparing import prepare_folder
    from tsniqa.study.config import load_preset

    cache = DecodedCache(cache_folder("decoded"), load_preset(preset).shorter_side)
    for folder in prepare_folder(located(source), located(out), cache):
        typer.echo(folder)


@data_app.command("make")
def data_make(
    names: Annotated[list[str], typer.Argument(help="Names of mini tasks.")],
    seed: SeedOption = 0,
) -> None:
    """Make the images and simulated labels of mini tasks; those that exist are kept."""
    from tsniqa.synthetic.benchmark import make_task

    for name in names:
        typer.echo(make_task(name, seed, cache_folder("mini")))

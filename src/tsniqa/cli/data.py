"""The commands `tsniqa data ...`. Heavy imports wait until a command needs them."""

from pathlib import Path
from typing import Annotated

import typer

from tsniqa.cli.options import DATA_ROOT, DataRoot, path_option
from tsniqa.paths import cache_folder

ROOT = ("--data-root", "--root")  # the second as in earlier versions

data_app = typer.Typer(help="Datasets.", no_args_is_help=True)


@data_app.command("list")
def data_list(data_root: DataRoot = DATA_ROOT) -> None:
    """Show every known dataset: what it is, its terms, how to get it, whether it is here."""
    from tsniqa.data.catalogue import overview

    typer.echo(
        f"looked for under {data_root}; on every scale higher is better ('turned round': the"
        " authors publish it lower-is-better)"
    )
    for row in overview(data_root).to_dict("records"):
        typer.echo(f"\n{row['dataset']}: {row['title']}")
        typer.echo(f"  here         {row['here']}")
        typer.echo(f"  images       {row['images']} rated, references: {row['references']}")
        for key in ("scale", "distortions", "licence", "size"):
            typer.echo(f"  {key:<12} {row[key]}")
        typer.echo(f"  how to get   {row['how to get it']}")


@data_app.command("check")
def data_check(
    name: Annotated[str | None, typer.Argument(help="A dataset; else all that are here.")] = None,
    root: Annotated[
        Path, path_option("Folder of datasets, or the dataset's own.", *ROOT)
    ] = DATA_ROOT,
) -> None:
    """Say what is missing, broken, unlabelled, duplicated or left over; exit 1 if it is wrong."""
    from tsniqa.data.checking import check, find

    reports = [check(source) for source in find(name, root)]
    for report in reports:
        typer.echo("\n".join(report.lines()))
    if any(report.wrong for report in reports):
        raise typer.Exit(1)


@data_app.command("fetch")
def data_fetch(
    name: Annotated[str, typer.Argument(help="Name of a dataset (see: tsniqa data list).")],
    root: Annotated[Path, path_option("Folder of datasets that receives it.", *ROOT)] = DATA_ROOT,
) -> None:
    """Download a dataset that is open to everybody; an interrupted download is resumed."""
    from tsniqa.data.cards import find_card
    from tsniqa.data.download import fetch

    for path in fetch(find_card(name), root):
        typer.echo(path)


@data_app.command("make")
def data_make(
    names: Annotated[list[str], typer.Argument(help="Names of mini tasks.")],
    seed: Annotated[int, typer.Option(min=0, help="Seed of the drawing.")] = 0,
) -> None:
    """Make the images and simulated labels of mini tasks; those that exist are kept."""
    from tsniqa.synthetic.benchmark import make_task

    for name in names:
        typer.echo(make_task(name, seed, cache_folder("mini")))

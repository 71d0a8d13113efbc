"""The commands `tsniqa model ...`: what a model knows, and models as sets of tasks."""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tsniqa.cli.options import ModelFolder, is_shipped, path_option
from tsniqa.errors import ConfigError

if TYPE_CHECKING:
    from tsniqa.model.tsniqa import TSNIQA

model_app = typer.Typer(
    help="What a model knows, and models as sets of tasks.", no_args_is_help=True
)


@model_app.command()
def show(model: ModelFolder) -> None:
    """Show what a model is made of and knows: tasks, their data and how well they were learned."""
    from tsniqa.model.tsniqa import TSNIQA

    loaded = TSNIQA.load(model)
    card = loaded.backbone.card
    typer.echo(f"{model}: {card.model}, {count(loaded.tasks)}, {folder_size(model) / 1000:.0f} kB")
    typer.echo(
        f"reads {loaded.readout}, images shrunk to {loaded.shorter_side} pixels on the shorter side"
    )
    for task in loaded.tasks:
        typer.echo(f"\n{task}")
        if (own := loaded.profiles.get(task)) is None:
            typer.echo("  nothing is known of its data")
            continue
        opinions = "simulated" if own.simulated else "people's"
        srcc = "not known" if own.srcc is None else f"{own.srcc:.3f}"
        typer.echo(f"  {own.description or 'no description'}")
        typer.echo(f"  learned from {own.images} images with {opinions} opinions")
        typer.echo(f"  SRCC {srcc} on {own.held_out} others")
        typer.echo(f"  scale {own.mos_range[0]:g} to {own.mos_range[1]:g}")
        typer.echo(
            f"  cite: {own.citation or 'not stated'}; licence: {own.licence or 'not stated'}"
        )


@model_app.command()
def verify(model: ModelFolder) -> None:
    """Check every file of a model, and print the fingerprint of every task."""
    from tsniqa.model.tsniqa import TSNIQA

    loaded = TSNIQA.load(model)
    typer.echo(f"{model}: all files are those that were saved")
    tell_tasks(loaded)


@model_app.command()
def rename(model: ModelFolder, old: str, new: str) -> None:
    """Give a task of a model another name."""
    from tsniqa.model.editing import rename_task

    _change(model, lambda loaded: rename_task(loaded, old, new))
    typer.echo(f"{model}: '{old}' is called '{new}' now")


@model_app.command()
def forget(model: ModelFolder, task: str) -> None:
    """Remove a task from a model; the others stay as they are."""
    from tsniqa.model.editing import forget_task

    def remove(loaded: "TSNIQA") -> None:
        forget_task(loaded, task)
        if not loaded.tasks:
            raise ConfigError(f"'{task}' is the model's only task; remove the folder {model}")

    _change(model, remove)
    typer.echo(f"{model}: '{task}' is forgotten")


@model_app.command()
def merge(
    first: ModelFolder,
    second: ModelFolder,
    out: Annotated[Path, path_option("Folder for the result; must not exist.")],
) -> None:
    """Put the tasks of two models of one kind together, exactly."""
    from tsniqa.model.editing import take_task
    from tsniqa.model.tsniqa import TSNIQA

    if out.exists():
        raise ConfigError(f"{out} exists already; give --out a new folder")
    one, two = TSNIQA.load(first), TSNIQA.load(second)
    if both := sorted(set(one.tasks) & set(two.tasks)):
        raise ConfigError(f"both models know {', '.join(both)}; rename one (tsniqa model rename)")
    for task in two.tasks:
        take_task(one, two, task)
    one.save(out)
    typer.echo(f"model: {out} ({count(one.tasks)}: {', '.join(one.tasks)})")


def _change(folder: Path, change: "Callable[[TSNIQA], None]") -> None:
    """Change the model in a folder; it is the old one or the new one at every moment."""
    from tsniqa.model.tsniqa import TSNIQA
    from tsniqa.storage import lock

    if is_shipped(folder) or (folder.parent / "record.json").exists():
        owner = "shipped" if is_shipped(folder) else "part of a run's record"
        raise ConfigError(f"{folder} is {owner}; copy the folder, and change that")
    with lock(folder):
        loaded = TSNIQA.load(folder)
        change(loaded)
        loaded.save(folder)


def folder_size(folder: Path | None) -> int:
    """Return the bytes of a model's files."""
    return sum(path.stat().st_size for path in folder.glob("*")) if folder else 0


def count(tasks: Collection[str]) -> str:
    """Say how many tasks there are."""
    return "1 task" if len(tasks) == 1 else f"{len(tasks)} tasks"


def tell_tasks(model: "TSNIQA", known: "TSNIQA | None" = None) -> None:
    """Print every task's fingerprint, and whether it is as it was in another model."""
    from tsniqa.model.editing import task_fingerprint

    for task in model.tasks:
        own, told = task_fingerprint(model, task), ""
        if known and task in known.tasks:
            told = " as before" if task_fingerprint(known, task) == own else " CHANGED, a defect"
        typer.echo(f"  {task}: {own[:12]}{told}")

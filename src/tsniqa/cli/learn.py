"""The command `tsniqa learn`: a rated dataset as a model's next task."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tsniqa.cli.models import count, folder_size, tell_tasks
from tsniqa.cli.options import (
    Device,
    SeedOption,
    from_here,
    is_shipped,
    model_option,
    path_option,
)
from tsniqa.errors import ConfigError, DataError

if TYPE_CHECKING:
    from tsniqa.data.task import Task
    from tsniqa.model.tsniqa import TSNIQA
    from tsniqa.study.learning import Judged
    from tsniqa.training.trainer import Epoch


def none_or_several(folds: int) -> int:
    """Refuse one fold, as an option's ``callback``."""
    if folds == 1:
        raise ConfigError("one fold leaves nothing to learn from; give --folds 0, or 2 or more")
    return folds


Folds = Annotated[
    int,
    typer.Option(
        min=0,
        callback=none_or_several,
        help="Of the cross-validation, each as long as the learning.",
    ),
]


def learn(
    data: Annotated[
        Path,
        typer.Argument(
            help="A folder with images and a labels.csv, or such a table in a folder.",
            callback=from_here,
        ),
    ],
    name: Annotated[str, typer.Option(help="What to call the task; default: its folder.")] = "",
    model: Annotated[
        Path | None,
        model_option(
            "Folder of the model to learn on top of, photographs for the shipped one; default: a"
            " new one."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        path_option("Folder for the result; default: your --model, or models/<name>."),
    ] = None,
    preset: Annotated[str, typer.Option(help="Gives the schedule, and a new model its kind.")] = (
        "open"
    ),
    folds: Folds = 3,
    seed: SeedOption = 0,
    device: Device = "auto",
) -> None:
    """Learn a rated dataset as a model's next task; what the model knew stays as it is, bit by bit.

    Without a split in the table, all images but a tenth are learned from, and cross-validation says
    how good that is; the tenth tells the task's scale. With a split, train is learned from, and the
    other parts say how good that is.
    """
    import time

    from tsniqa.data.cache import decode_tasks
    from tsniqa.data.splits import contents
    from tsniqa.data.task import check_task
    from tsniqa.model.editing import check_name
    from tsniqa.model.tsniqa import TSNIQA
    from tsniqa.runtime import find_device, reproducible
    from tsniqa.storage import take_up
    from tsniqa.study.config import load_preset
    from tsniqa.study.learning import Learner, all_but_validation, put_task

    chosen, device = load_preset(preset), find_device(device)
    task, divided = read_task(data, name)
    check_name(task.name)
    check_task(task)
    out = result_folder(task.name, model, out)
    take_up(out)
    known = TSNIQA.load(model, device) if model else None
    if known and task.name in known.tasks:
        raise ConfigError(f"the model in {model} knows a task '{task.name}' already; use --name")
    learner = Learner.of(chosen, seed, device, known)
    typer.echo(f"{task.name}: {len(task.table)} images, {contents(task).nunique()} contents")
    decode_tasks([task], learner.context.decoded)  # a broken image costs no learning
    with reproducible(chosen.threads):
        if folds and not divided:
            _tell("cross-validated", learner.cross_validate(task, folds, _tell_fold))
        start = time.perf_counter()
        learned, history = learner.learn(task if divided else all_but_validation(task))
        seconds = time.perf_counter() - start
        if divided:
            _tell("test", learner.judge(learned, task, "test"))
    _tell_learned(learned.profiles[task.name].images, history, seconds)
    before = folder_size(model)
    whole = put_task(out, with_others(known, learned), task.name)
    tell_tasks(whole, known)
    _tell_model(out, whole, before)


def _tell_model(folder: Path, model: "TSNIQA", before: int) -> None:
    added = (folder_size(folder) - before) / 1000
    typer.echo(f"model: {folder} ({count(model.tasks)}, {added:.0f} kB more than before)")


def read_task(data: Path, name: str) -> "tuple[Task, bool]":
    """Read the dataset in a folder, or a table; tell whether somebody has split it."""
    from dataclasses import replace

    from tsniqa.data.catalogue import read, recognise
    from tsniqa.data.readers import labels_csv
    from tsniqa.data.splits import resplit

    if not data.exists():
        raise DataError(f"there is no {data}; name a folder with images and a labels.csv")
    if data.is_file():
        task = labels_csv.read(name or data.parent.name, data.parent, data.name)
    else:
        found = recognise(data)
        if len(found) != 1:
            raise ConfigError(
                f"{data} holds {len(found)} datasets; name a folder with images and a labels.csv"
            )
        task = read(found[0])
    task = replace(task, name=name or task.name)
    empty = task.table["split"] == ""
    if empty.any() and not empty.all():
        first = task.table.loc[empty, "image"].iloc[0]
        raise DataError(
            f"task '{task.name}': {empty.sum()} of {len(empty)} images have no split, image "
            f"'{first}' for one; fill the column (train, val, test), or leave it out"
        )
    divided = not empty.any()
    return (task if divided else resplit(task, "0")), divided


def result_folder(task: str, model: Path | None, out: Path | None) -> Path:
    """Say where the result goes; refuse what would change a record, or another model."""
    from tsniqa.storage import holds_nothing

    if out is None:
        changed = model and not is_shipped(model)
        out = model if changed else Path.cwd() / "models" / task
    if is_shipped(out):
        raise ConfigError(f"{out} is shipped and stays as it is; give --out another folder")
    if (out.parent / "record.json").exists():
        raise ConfigError(f"{out} is part of a run's record; give --out another folder")
    if out != model and not holds_nothing(out):
        raise ConfigError(f"{out} exists already; name it as --model, or give --out a new folder")
    return out


def with_others(known: "TSNIQA | None", learned: "TSNIQA") -> "TSNIQA":
    """Put the tasks that a model knows beside the learned one; without any, that alone."""
    from tsniqa.model.editing import take_task

    for task in known.tasks if known else ():
        take_task(learned, known, task)
    return learned


def _tell_fold(number: int, found: "Judged", seconds: float) -> None:
    value, _, _ = found.srcc()
    typer.echo(f"fold {number}: SRCC {value:.3f} on {len(found.mos)} images, {seconds:.0f} s")


def _tell(kind: str, found: "Judged") -> None:
    value, low, high = found.srcc()
    ends = f"95% from {low:.3f} to {high:.3f}"
    if low != low:
        ends = f"{len(set(found.references))} contents are too few for an interval"
    typer.echo(f"{kind} SRCC {value:.3f} ({ends}, {len(found.mos)} images)")


def _tell_learned(images: int, history: "list[Epoch]", seconds: float) -> None:
    losses = [epoch.loss for epoch in history if epoch.step == "images" and epoch.loss is not None]
    curve = " ".join(f"{loss:.3f}" for loss in losses)
    typer.echo(f"learned from {images} images in {seconds:.0f} s; loss by epoch: {curve}")

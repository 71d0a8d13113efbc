"""The command `tsniqa report`."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tsniqa.cli.learn import read_task
from tsniqa.cli.options import Device, model_folder, path_option
from tsniqa.errors import ConfigError, DataError

if TYPE_CHECKING:
    from tsniqa.book.report import Report
    from tsniqa.data.task import Task


def report(
    what: Annotated[
        Path,
        typer.Argument(
            help="Folder of a model or of a run's record; photographs is the shipped model.",
            callback=model_folder,
        ),
    ],
    images: Annotated[
        Path | None,
        path_option("For a model: rated images, given as tsniqa learn takes them."),
    ] = None,
    data_root: Annotated[
        Path | None,
        path_option("For a record: folder of the datasets that it learned from, to show images."),
    ] = None,
    out: Annotated[
        Path | None,
        path_option("The file to write; default: <its name>-report.html in the current folder."),
    ] = None,
    device: Device = "auto",
) -> None:
    """Report on a model, or on a run, on one HTML page that needs no network.

    With rated images the page shows small copies of some of them: those whose scores tell most.
    """
    from tsniqa.book.report import check_target, write_report

    is_record = (what / "record.json").is_file()
    if is_record and images:
        raise ConfigError(f"{what} is a record, which has images of its own; give --data-root")
    if data_root and not is_record:
        raise ConfigError(f"{what} is no record; name your rated images by --images")
    if not is_record and not (what / "model.json").is_file():
        raise ConfigError(f"{what} is neither a record nor a model; name the folder of one")
    name = _name(what)
    out = out or Path.cwd() / f"{name}-report.html"
    check_target(out)
    made = _of_record(what, data_root) if is_record else _of_model(what, name, images, device)
    write_report(made, out)
    typer.echo(f"report: {out} ({out.stat().st_size / 1000:.0f} kB)")


def _name(folder: Path) -> str:
    """Name a model or record; the model of a record by both."""
    whole = folder.resolve()
    within = (whole.parent / "record.json").is_file()
    return f"{whole.parent.name}-{whole.name}" if within else whole.name


def _of_record(folder: Path, data_root: Path | None) -> "Report":
    from tsniqa.book.report_record import report_record
    from tsniqa.study.record import RunRecord

    return report_record(RunRecord.load(folder), data_root)


def _of_model(folder: Path, name: str, images: Path | None, device: str) -> "Report":
    from tsniqa.book.report_images import read_part
    from tsniqa.book.report_model import report_model
    from tsniqa.model.tsniqa import TSNIQA
    from tsniqa.runtime import find_device

    model = TSNIQA.load(folder, find_device(device))
    if images is None:
        return report_model(model, name)
    task, part = rated_images(images, model.tasks)
    return report_model(model, name, task, part, read_part(model, task, part))


def rated_images(data: Path, known: Sequence[str]) -> "tuple[Task, str]":
    """Read rated images, and name their part that is to be scored.

    That is all of them, but for a task that the model knows and whose table has a split: then only
    the images to be tested on. A DataError says that there are too few.
    """
    import numpy as np

    from tsniqa.data.task import SMALLEST_PART

    task, divided = read_task(data, "")
    if divided and task.name in known:
        part = "test"
    else:
        task, part = replace(task, table=task.table.assign(split="train")), "train"
    if not np.isfinite(task.mos(part)).all():
        raise DataError(f"{data} has ratings that are no numbers; see: tsniqa data check")
    if len(task.part(part)) < SMALLEST_PART:
        raise DataError(f"{data} rates too few images to compare; give {SMALLEST_PART} or more")
    return task, part

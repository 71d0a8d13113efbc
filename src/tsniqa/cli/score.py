"""The commands of a saved model: `tsniqa score`, `tsniqa add` and `tsniqa bench`."""

import csv
import sys
from pathlib import Path
from typing import Annotated

import typer

from tsniqa.cli.options import (
    DATA_ROOT,
    RECORDS,
    DataRoot,
    Device,
    ModelFolder,
    SeedOption,
    located,
)
from tsniqa.errors import ConfigError
from tsniqa.paths import resolve


def score(
    images: Annotated[list[Path], typer.Argument(help="Image files.")],
    model: ModelFolder,
    readout: Annotated[
        str, typer.Option("--readout", "--use", help="gated, hard, uniform or centred.")
    ] = "gated",
    device: Device = "auto",
) -> None:
    """Score images with a learned model: one CSV row each, with the weight of every task's head."""
    from tsniqa.data.images import ImageSet
    from tsniqa.model.tsniqa import TSNIQA
    from tsniqa.pixels import decode
    from tsniqa.runtime import find_device

    for image in images:
        decode(image)  # refuse a broken file before any row is printed
    loaded = TSNIQA.load(located(model), find_device(device))
    batch = ImageSet(images, loaded.shorter_side)
    scores, weights = loaded.score_with_weights(batch, readout)
    table = csv.writer(sys.stdout)
    table.writerow(["image", "score", *(f"weight {task}" for task in loaded.tasks)])
    for image, value, row in zip(images, scores, weights, strict=True):
        table.writerow([image, f"{value:.4f}", *(f"{weight:.3f}" for weight in row)])


def add(
    task: Annotated[str, typer.Argument(help="Name of the task, its folder under --data-root.")],
    model: ModelFolder,
    out: Annotated[Path, typer.Option(help="Folder for the extended model; must not exist.")],
    preset: Annotated[str, typer.Option(help="Preset that gives the schedule.")] = "open",
    seed: SeedOption = 0,
    data_root: DataRoot = DATA_ROOT,
    device: Device = "auto",
) -> None:
    """Add a rated dataset to a saved model as its next task; what it knows stays as it is."""
    from tsniqa.data import load_task
    from tsniqa.data.cache import DecodedCache, decode_tasks
    from tsniqa.data.task import check_task
    from tsniqa.model.tsniqa import TSNIQA
    from tsniqa.paths import cache_folder
    from tsniqa.runtime import find_device, reproducible
    from tsniqa.strategies.tsn import TSN
    from tsniqa.study.config import load_preset
    from tsniqa.training.context import GateOptions, Setting

    if located(out).exists():
        raise ConfigError(f"{located(out)} exists already; give --out a new folder")
    chosen = load_preset(preset)
    loaded = TSNIQA.load(located(model), find_device(device))
    if task in loaded.tasks:
        raise ConfigError(
            f"the model in {located(model)} knows a task '{task}' already; rename yours"
        )
    rated = load_task(task, located(data_root), seed)
    check_task(rated)
    gate = GateOptions(
        clusters=loaded.gate.clusters,
        n_init=loaded.gate.n_init,
        temperature=loaded.gate.temperature,
    )
    decoded = DecodedCache(cache_folder("decoded"), loaded.shorter_side)
    decode_tasks([rated], decoded)
    context = Setting(
        loaded.backbone, chosen.schedule, gate, seed, loaded.shorter_side, decoded=decoded
    )
    strategy = TSN(context)
    strategy.load_state(loaded.state())
    with reproducible(chosen.threads):
        history = strategy.learn(rated, []).history
    strategy.save(located(out))
    best = max(epoch.validation_srcc for epoch in history)
    typer.echo(f"model: {located(out)} (validation SRCC on {task}: {best:.3f})")


def bench(
    model: Annotated[
        Path | None, typer.Option(help="Model to score with; default: the mini tsn run's.")
    ] = None,
) -> None:
    """Measure scoring and learning speed against the plain published way."""
    from tsniqa.scoring.bench import report

    for line in report(None if model is None else located(model), resolve(RECORDS)):
        typer.echo(line)

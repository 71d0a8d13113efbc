"""The commands of a saved model: `tsniqa score` and `tsniqa add`."""

import csv
import sys
from pathlib import Path
from typing import Annotated

import typer

from tsniqa.cli.options import DATA_ROOT, DataRoot, Device, ModelFolder, SeedOption, path_option
from tsniqa.errors import ConfigError

AllowDownload = Annotated[
    bool, typer.Option(help="Let timm fetch the backbone's weights, if the model names its hub.")
]


def score(
    images: Annotated[list[Path], typer.Argument(help="Image files.")],
    model: ModelFolder,
    readout: Annotated[
        str | None,
        typer.Option(
            "--readout",
            "--use",
            help="gated, calibrated, set (all images of the call belong together), hard, uniform or"
            " centred; by default the model's own.",
        ),
    ] = None,
    device: Device = "auto",
    allow_download: AllowDownload = False,
) -> None:
    """Score images with a learned model: one CSV row each, with the weight of every task's head."""
    from tsniqa.model.tsniqa import TSNIQA
    from tsniqa.runtime import find_device

    loaded = TSNIQA.load(model, find_device(device), allow_download)
    table = loaded.explain(images, readout)  # whole before any row is printed
    weights = [name for name in table if name.startswith("weight ")]
    rows = csv.writer(sys.stdout)
    rows.writerow(["image", "score", *weights])
    for image, (_, row) in zip(images, table.iterrows(), strict=True):
        rows.writerow([image, f"{row['score']:.4f}", *(f"{row[name]:.3f}" for name in weights)])


def add(
    task: Annotated[str, typer.Argument(help="Name of the task, its folder under --data-root.")],
    model: ModelFolder,
    out: Annotated[Path, path_option("Folder for the extended model; must not exist.")],
    preset: Annotated[str, typer.Option(help="Preset that gives the schedule.")] = "open",
    seed: SeedOption = 0,
    data_root: DataRoot = DATA_ROOT,
    device: Device = "auto",
    allow_download: AllowDownload = False,
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
    from tsniqa.training.context import GateOptions, TrainingContext

    if out.exists():
        raise ConfigError(f"{out} exists already; give --out a new folder")
    chosen = load_preset(preset)
    loaded = TSNIQA.load(model, find_device(device), allow_download)
    if loaded.bank.select != TSN.select:
        raise ConfigError(
            f"the model in {model} was not learned by '{TSN.name}', so a task cannot be added; "
            "name one that was"
        )
    if task in loaded.tasks:
        raise ConfigError(f"the model in {model} knows a task '{task}' already; rename yours")
    rated = load_task(task, data_root, seed)
    check_task(rated)
    gate = GateOptions(**loaded.gate.get_params(), **loaded.analytic.get_params())
    decoded = DecodedCache(cache_folder("decoded"), loaded.shorter_side)
    decode_tasks([rated], decoded)
    context = TrainingContext(
        loaded.backbone, chosen.schedule, gate, seed, loaded.shorter_side, decoded=decoded
    )
    strategy = TSN(context)
    strategy.load_state(loaded.state())
    strategy.model.readout = loaded.readout
    with reproducible(chosen.threads):
        history = strategy.learn(rated, []).history
    strategy.save(out)
    best = max(epoch.validation_srcc for epoch in history)
    typer.echo(f"model: {out} (validation SRCC on {task}: {best:.3f})")

"""The commands of a saved model: `tsniqa score` and `tsniqa add`."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from tsniqa.cli.options import DATA_ROOT, DataRoot, Device, ModelFolder, SeedOption, path_option
from tsniqa.errors import ConfigError, DataError

Form = Literal["table", "csv", "jsonl"]
Form = Literal["table", "csv", "jsonl"]
AllowDownload = Annotated[
    bool, typer.Option(help="Let timm fetch the backbone's weights, if the model names its hub.")
]


def score(
    paths: Annotated[list[Path], typer.Argument(help="Image files, and folders to search.")],
    model: ModelFolder,
    readout: Annotated[
        str | None,
        typer.Option(
            help="gated, calibrated, set (all images of the call belong together), hard, uniform or"
            " centred; by default the model's own."
        ),
    ] = None,
    together: Annotated[
        bool,
        typer.Option(
            "--together",
            help="The images of a folder belong together, and all that are named one by one: weigh"
            " the heads once for all of them. Better when ten or more are of one kind, and their"
            " scores can be compared; they appear when the last image has been read.",
        ),
    ] = False,
    form: Annotated[
        Form | None,
        typer.Option("--format", help="table, csv or jsonl; a table on a terminal, else csv."),
    ] = None,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain", help="Also the nearest task, and each head's score, weight and distance."
        ),
    ] = False,
    out: Annotated[Path | None, path_option("File to write to, in place of the terminal.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the file of --out where it ends.")
    ] = False,
    device: Device = "auto",
    allow_download: AllowDownload = False,
) -> None:
    """Score images with a learned model, a line each as soon as it is known.

    Files that cannot be read are named at the end; the exit code is 1 if there are any.
    """
    from tqdm import tqdm

    from tsniqa.model.tsniqa import TSNIQA
    from tsniqa.runtime import available_cores, find_device, keep_freed_memory
    from tsniqa.scoring.inputs import find_images
    from tsniqa.scoring.output import Output, name_of
    from tsniqa.scoring.stream import explained_columns, score_files

    shown = out is None and sys.stdout.isatty()
    form = form or ("table" if shown else "csv")
    if resume and (out is None or form == "table"):
        raise ConfigError("--resume goes on with a file: give --out, and --format csv or jsonl")
    images = find_images(paths)
    loaded = TSNIQA.load(model, find_device(device), allow_download)
    together = together or (readout or loaded.readout) == "set"
    loaded.check_readout("set" if together else readout)
    columns = ["image", "score", *(explained_columns(loaded) if explain else [])]
    sets: dict[Path | None, list[Path]] = {}
    for path, folder in images:
        sets.setdefault(folder if together else None, []).append(path)
    failures: list[DataError] = []
    keep_freed_memory()
    bar = tqdm(total=len(images), unit="image", disable=True if shown else None, smoothing=0.05)
    with Output(form, columns, out, resume) as output, bar:
        for files in sets.values():
            todo = [path for path in files if name_of(path) not in output.done]
            bar.update(len(files) - len(todo))
            # The weights of a set depend on all its images, of those written before, too.
            read = files if together and todo else todo
            options = (readout, together, failures.append, available_cores())
            for path, row in score_files(loaded, read, *options):
                if (name := name_of(path)) not in output.done:
                    output.write({"image": name, **row})
                    bar.update()
    if failures:
        lines = [f"tsniqa: {len(failures)} of {len(images)} images cannot be scored:"]
        print("\n  ".join([*lines, *map(str, failures)]), file=sys.stderr)
        raise typer.Exit(1)


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

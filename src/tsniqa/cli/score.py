"""The command `tsniqa score`."""

import os
import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tsniqa.cli.options import Device, model_option, path_option
from tsniqa.errors import ConfigError, DataError
from tsniqa.paths import shipped
from tsniqa.scoring.output import Format, Output, name_of

if TYPE_CHECKING:
    from tsniqa.model.profiles import TaskProfile
    from tsniqa.model.tsniqa import TSNIQA

Images = Annotated[list[Path], typer.Argument(help="Image files, and folders to search.")]
Model = Annotated[
    Path | None,
    model_option("Folder of a saved model, such as <record>/model; default: the shipped one."),
]
Readout = Annotated[
    str | None,
    typer.Option(
        help="gated, calibrated, set (all images of the call belong together), hard, uniform or"
        " centred; by default the model's own."
    ),
]
Together = Annotated[
    bool,
    typer.Option(
        "--together",
        help="The images of a folder belong together, and all that are named one by one: weigh the"
        " heads once for all of them. Better when ten or more are of one kind, and their scores"
        " can be compared; they appear when the last image has been read.",
    ),
]
Form = Annotated[
    Format | None,
    typer.Option("--format", help="table, csv or jsonl; a table on a terminal, else csv."),
]
Explain = Annotated[
    bool,
    typer.Option(
        "--explain",
        help="Also the nearest task, how unusual the image is (percentage of each task's own"
        " held-out images that are nearer to it), and each head's score, weight and distance.",
    ),
]
Scale = Annotated[
    str | None, typer.Option(help="Also map scores to the opinion scale of this task of the model.")
]
Sparse = Annotated[
    float | None,
    typer.Option(
        metavar="EPSILON",
        help="Do not read heads that the gate gives less weight than this, 0.02 for instance:"
        " faster. The column bound says how far off the score can be at most.",
    ),
]
Out = Annotated[Path | None, path_option("File to write to, in place of the terminal.")]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with the file of --out where it ends.")
]
AllowDownload = Annotated[
    bool, typer.Option(help="Let timm fetch the backbone's weights, if the model names its hub.")
]


def score(
    paths: Images,
    model: Model = None,
    readout: Readout = None,
    together: Together = False,
    form: Form = None,
    explain: Explain = False,
    scale: Scale = None,
    sparse: Sparse = None,
    out: Out = None,
    resume: Resume = False,
    device: Device = "auto",
    allow_download: AllowDownload = False,
) -> None:
    """Score images with a learned model, a line each as soon as it is known.

    Files that cannot be read are named at the end; the exit code is 1 if there are any.
    """
    from tqdm import tqdm

    from tsniqa.model.tsniqa import TSNIQA
    from tsniqa.runtime import available_cores, find_device, keep_freed_memory
    from tsniqa.scoring.engine import find_compute
    from tsniqa.scoring.inputs import find_images
    from tsniqa.scoring.sparse import check_sparse
    from tsniqa.scoring.stream import check_scale, explained_columns, score_files

    shown = out is None and sys.stdout.isatty()
    form = form or ("table" if shown else "csv")
    if resume and (out is None or form == "table"):
        raise ConfigError("--resume goes on with a file: give --out, and --format csv or jsonl")
    images = find_images(paths)
    # By its place: a folder here may have the same name.
    folder = model or shipped("models") / "photographs"
    loaded = TSNIQA.load(folder, find_device(device), allow_download)
    loaded.check_readout(readout)
    if loaded.gate is None and (together or explain):
        raise ConfigError(
            "the model has one head for all tasks; leave --together and --explain out"
        )
    if together and readout not in (None, "set"):
        raise ConfigError(f"--together is the readout 'set'; leave out --readout {readout}")
    if loaded.gate is not None:
        together = together or (readout or loaded.readout) == "set"
        readout = "set" if together else readout or loaded.readout
    if sparse is not None:
        check_sparse(loaded, sparse, readout)
    profile = check_scale(loaded, scale, readout) if scale else None
    if profile:
        low, high = profile.mos_range
        print(f"scaled: as {scale}, from {low:g} to {high:g}", file=sys.stderr)
    columns = ["image", "score", *(["scaled"] if scale else [])]
    columns += ["bound"] if sparse is not None else []
    columns += explained_columns(loaded) if explain else []
    keep_freed_memory()
    failures: list[DataError] = []
    with Output(form, columns, out, resume) as output:
        print(f"tsniqa: {origin(loaded)}", file=sys.stderr)
        sets = unfinished(images, together, output.done)
        if sets and output.last:  # which is scored again, to see that it is the same
            sets = unfinished(images, together, output.done - {output.last[0]})
        quiet = shown or not sys.stderr.isatty() or "TQDM_DISABLE" in os.environ
        bar = tqdm(total=sum(map(len, sets)), unit="image", disable=quiet)
        # By all images, done or not: --resume then says the same.
        compute = find_compute(loaded, len(images)) if sets else None
        options = (readout, together, failures.append, available_cores(), sparse, compute)
        rows = (row for files in sets for row in score_files(loaded, files, *options))
        with bar:
            strange = write_rows(output, rows, profile, bar.update)
    tell_end(strange, failures, len(images))


def tell_end(strange: int, failures: Sequence[DataError], count: int) -> None:
    """Say of how many images nothing is known, and which of all cannot be scored: exit code 1."""
    if strange:
        print(
            f"tsniqa: {strange} of {count} are farther from every task than its held-out images;"
            " nothing is known of how good these scores are",
            file=sys.stderr,
        )
    if failures:
        lines = [f"tsniqa: {len(failures)} of {count} images cannot be scored:"]
        print("\n  ".join([*lines, *map(str, failures)]), file=sys.stderr)
        raise typer.Exit(1)


def write_rows(
    output: Output,
    rows: Iterable[tuple[Path, dict]],
    profile: "TaskProfile | None",
    told: Callable[[], object],
) -> int:
    """Write the rows that an output lacks, on a task's scale if one is given.

    Returns:
        The number of images that are outside all that the model has learned.
    """
    strange = 0
    for path, row in rows:
        told()
        if (name := name_of(path)) in output.done:
            output.check_last(name, row["score"])
        else:
            if profile:
                row["scaled"] = float(profile.on_scale(row["score"]))
            strange += row.get("unusual", 0) == 100
            output.write({"image": name, **row})
    return strange


def origin(model: "TSNIQA") -> str:
    """Say what a model was learned from, and so what it is good for."""
    kinds: dict[str, list[str]] = {"people": [], "a program": [], "unknown origin": []}
    for task in model.tasks:
        known = model.profiles.get(task)
        kind = "unknown origin" if known is None else "a program" if known.simulated else "people"
        kinds[kind].append(task)
    told = "; ".join(f"of {kind} on {', '.join(tasks)}" for kind, tasks in kinds.items() if tasks)
    only = " alone: a demonstration, its scores of photographs mean nothing"
    return f"learned from opinions {told}{only if kinds['a program'] == model.tasks else ''}"


def unfinished(
    images: Sequence[tuple[Path, Path | None]], together: bool, done: Collection[str]
) -> list[list[Path]]:
    """Part images, each with its folder, into the sets that are to be scored.

    A set whose images are weighed together is scored whole while one of them is not done.
    """
    sets: dict[Path | None, list[Path]] = {}
    for path, folder in images:
        sets.setdefault(folder if together else None, []).append(path)
    left = {
        key: [path for path in files if name_of(path) not in done] for key, files in sets.items()
    }
    return [files if together else left[key] for key, files in sets.items() if left[key]]

"""The commands that compute: `tsniqa run`, `verify`, `campaign`, `page` and `sweep`."""

from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tsniqa.cli import options
from tsniqa.cli.options import DATA_ROOT, RECORDS, DataRoot, Device, from_here, path_option
from tsniqa.errors import ConfigError
from tsniqa.paths import resolve

if TYPE_CHECKING:
    from tsniqa.book.pages import Page
    from tsniqa.study.config import RunConfig
    from tsniqa.study.record import RunRecord


def run(
    preset: options.PresetOption = "mini",
    strategy: Annotated[str, typer.Option(help="tsn, head-only, sequential, ...")] = "tsn",
    order: Annotated[str | None, typer.Option(help="Tasks with commas; else the preset's.")] = None,
    seed: options.SeedOption = 0,
    split: Annotated[str, typer.Option(help="'given', or 0 to 9: seeded, 70/10/20.")] = "given",
    backbone: Annotated[str | None, typer.Option(help="Name or path of a backbone card.")] = None,
    device: Device = "auto",
    data_root: DataRoot = DATA_ROOT,
    results_dir: options.ResultsDir = RECORDS,
    splits_from: Annotated[
        Path | None, path_option("Folder of published split files to use instead of --split.")
    ] = None,
    training_images: Annotated[
        int | None, typer.Option(help="Learn each task from so many, drawn by the seed.")
    ] = None,
    change: Annotated[
        list[str] | None, typer.Option("--set", help="PATH=VALUE in the preset; repeatable.")
    ] = None,
    allow_overlap: Annotated[
        bool, typer.Option("--allow-overlap", help="Let parts of a split share images or contents.")
    ] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Compute a finished run again.")] = False,
    page: Annotated[bool, typer.Option(help="Also make a page of the book on this run.")] = False,
) -> None:
    """Learn a task order with a strategy.

    A finished run is not repeated; an interrupted one continues after its last finished task.
    """
    from tsniqa.book.pages import execute
    from tsniqa.study import runner
    from tsniqa.study.config import parse_overrides, run_config

    if page and not resolve("notebooks/03_continual_run.ipynb").is_file():
        raise ConfigError("pages are made in a checkout of the study; leave --page out")
    if backbone and backbone.endswith((".yml", ".yaml")):
        backbone = str(Path.cwd() / backbone)
    names = None if order is None else [name.strip() for name in order.split(",")]
    config = run_config(
        preset=preset,
        strategy=strategy,
        task_order=[] if names == [""] else names,
        seed=seed,
        split=split,
        backbone=backbone,
        overrides=parse_overrides(change or []),
        splits_from=None if splits_from is None else str(splits_from),
        training_images=training_images,
        allow_overlap=allow_overlap,
    )
    record = runner.run(config, data_root, results_dir, device, fresh=fresh)
    typer.echo(f"record: {record.folder}")
    if page:
        entry = _page_of(config, record, device, data_root, results_dir)
        typer.echo(f"page: {execute(entry)} (make book adds it under 'Your own runs')")


def _page_of(
    config: "RunConfig", record: "RunRecord", device: str, data_root: Path, results_dir: Path
) -> "Page":
    """Describe the page on a run; its title names all that makes two runs differ."""
    from tsniqa.book.pages import Page

    told = {
        "split": None if config.split == "given" else config.split,
        "backbone": config.backbone,
        "splits from": config.splits_from,
        "training images": config.training_images,
    }
    facts = [f"seed {config.seed}", *(f"{name} {of}" for name, of in told.items() if of)]
    facts += [f"{path}={value}" for path, value in config.overrides.items()]
    order = ", ".join(record.order)
    places = {"device": device, "data_root": str(data_root), "results_dir": str(results_dir)}
    optional = {"backbone": config.backbone or "", "splits_from": config.splits_from or ""}
    return Page(
        name=f"own-{record.description.run_id}",
        notebook="03_continual_run",
        title=f"{config.strategy} on {config.preset}, {', '.join(facts)}: {order}",
        parameters=config.model_dump(mode="json") | optional | places,
    )


def verify(
    record: Annotated[Path, typer.Argument(help="Folder of a run record.", callback=from_here)],
    data_root: DataRoot = DATA_ROOT,
) -> None:
    """Compute a record again and say what differs: exit code 0 if it is the same bit for bit, or 1.

    That takes as long as the run did. The record stays as it is.
    """
    from tsniqa.study import verifying

    found = verifying.verify(record, data_root)
    if found.origin:
        typer.echo("\n  ".join(["it came about in another way:", *found.origin]))
    if not found.numbers:
        typer.echo(f"{record}: computed again, bitwise the same")
        return
    typer.echo("\n  ".join([f"{record}: computed again, it differs:", *found.numbers]))
    raise typer.Exit(1)


def campaign(
    preset: Annotated[str, typer.Argument(help="Name of a preset (see: tsniqa list).")],
    strategies: Annotated[
        str | None, typer.Option(help="With commas; default: all, the most important first.")
    ] = None,
    seeds: Annotated[
        str | None, typer.Option(help="Default: 0,1,2 for drawn tasks, else 0.")
    ] = None,
    splits: Annotated[
        str | None, typer.Option(help="Default: given for drawn tasks, else 0,1,2.")
    ] = None,
    data_root: DataRoot = DATA_ROOT,
    results_dir: options.ResultsDir = RECORDS,
    device: Device = "auto",
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Processes; default: what the cores are enough for.")
    ] = None,
    minutes: Annotated[
        float, typer.Option(min=0, help="Begin no task that is not likely to be over by then.")
    ] = inf,
) -> None:
    """Do all runs of a preset: every strategy, on several seeds or splits.

    Finished runs are not repeated, and interrupted ones go on after their last finished task: stop
    it whenever you like, and start it again. A failed run does not stop the others.
    """
    from tsniqa.errors import RecordError
    from tsniqa.study.campaign import campaign as runs_of
    from tsniqa.study.campaign import plan

    names, seeds_, splits_ = (
        [part.strip() for part in (own or "").split(",") if part.strip()]
        for own in (strategies, seeds, splits)
    )
    planned = plan(preset, names, seeds_, splits_)
    missing, failed = list(planned), []
    for outcome in runs_of(planned, data_root, results_dir, device, jobs, minutes):
        run = described(outcome.config)
        if outcome.finished:
            missing.remove(outcome.config)
            found = f"mean SRCC {outcome.srcc:.3f} ({outcome.readout}), {outcome.seconds:.0f} s"
            typer.echo(f"{run}: {found}")
        else:
            failed.append(f"{run} ({outcome.problem})")
            typer.echo(f"{run}: failed")
    left = f"missing: {'; '.join(map(described, missing))}" if missing else "nothing is missing"
    typer.echo(f"{len(planned) - len(missing)} of {len(planned)} runs are finished; {left}")
    if failed:
        raise RecordError(
            f"{len(failed)} run(s) failed: {'; '.join(failed)}; mend that and start it again"
        )


def described(config: "RunConfig") -> str:
    """Name a run of a campaign."""
    return f"{config.strategy}, seed {config.seed}, split {config.split}"


def page(
    name: Annotated[str, typer.Argument(help="Name of an entry of book/runs.yml.")],
    preset: options.PresetOption = "mini",
) -> None:
    """Execute one page of the book."""
    from tsniqa.book.pages import execute, load_pages
    from tsniqa.errors import unknown_name
    from tsniqa.study.config import preset_names

    if preset not in preset_names():
        raise unknown_name("preset", preset, preset_names())
    pages = load_pages(resolve("book/runs.yml"), preset, check=False)
    if name not in pages:
        raise unknown_name("page", name, pages)
    typer.echo(f"page: {execute(pages[name])}")


def sweep(
    file: Annotated[
        Path,
        typer.Argument(callback=from_here, help="A file such as data/searches/mini-rates.yml."),
    ],
    data_root: DataRoot = DATA_ROOT,
    record: Annotated[Path | None, path_option("Default: .runs/searches/<name>.json.")] = None,
) -> None:
    """Try the candidates of a sweep file on validation images; finished trials are kept."""
    from tsniqa.study.sweep import load_sweep, run_sweep

    path = record or resolve(".runs/searches") / f"{file.stem}.json"
    run_sweep(load_sweep(file), data_root, path, resolve(RECORDS) / "features")
    typer.echo(f"sweep record: {path}")

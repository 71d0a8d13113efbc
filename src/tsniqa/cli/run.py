"""The commands that compute: `tsniqa run`, `tsniqa page` and `tsniqa sweep`."""

from pathlib import Path
from typing import Annotated

import typer

from tsniqa.cli import options
from tsniqa.cli.options import DATA_ROOT, RECORDS, DataRoot, Device, from_here, path_option
from tsniqa.paths import resolve


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
    change: Annotated[
        list[str] | None, typer.Option("--set", help="PATH=VALUE in the preset; repeatable.")
    ] = None,
    page: Annotated[bool, typer.Option(help="Also make a page of the book on this run.")] = False,
) -> None:
    """Learn a task order with a strategy.

    A finished run is not repeated; an interrupted one continues after its last finished task.
    """
    from tsniqa.book.pages import Page, execute
    from tsniqa.study import runner
    from tsniqa.study.config import parse_overrides, run_config

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
    )
    record = runner.run(config, data_root, results_dir, device)
    typer.echo(f"record: {record.folder}")
    if page:
        parameters = config.model_dump(mode="json") | {
            "backbone": config.backbone or "",
            "splits_from": config.splits_from or "",
            "device": device,
            "data_root": str(data_root),
            "results_dir": str(results_dir),
        }
        facts = [f"seed {seed}", *([] if split == "given" else [f"split {split}"]), *(change or [])]
        entry = Page(
            name=f"own-{record.description.run_id}",
            notebook="03_continual_run",
            title=f"{strategy} on {preset}, {', '.join(facts)}: {', '.join(record.order)}",
            parameters=parameters,
        )
        typer.echo(f"page: {execute(entry)} (make book adds it under 'Your own runs')")


def page(
    name: Annotated[str, typer.Argument(help="Name of an entry of book/runs.yml.")],
    preset: options.PresetOption = "mini",
) -> None:
    """Execute one page of the book."""
    from tsniqa.book.pages import execute, load_pages
    from tsniqa.errors import unknown_name

    pages = load_pages(resolve("book/runs.yml"), preset)
    if name not in pages:
        raise unknown_name("page", name, pages)
    typer.echo(f"page: {execute(pages[name])}")


def sweep(
    file: Annotated[
        Path, typer.Argument(callback=from_here, help="A file such as data/searches/mini.yml.")
    ],
    data_root: DataRoot = DATA_ROOT,
    record: Annotated[Path | None, path_option("Default: results/searches/<name>.json.")] = None,
) -> None:
    """Try the candidates of a sweep file on validation images; finished trials are kept."""
    from tsniqa.study.sweep import load_sweep, run_sweep

    path = record or resolve("results/searches") / f"{file.stem}.json"
    run_sweep(load_sweep(file), data_root, path, resolve(RECORDS) / "features")
    typer.echo(f"sweep record: {path}")

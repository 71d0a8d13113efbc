"""The command line. Heavy imports wait until a command needs them: torch takes seconds."""

import csv
import logging
import sys
from pathlib import Path
from typing import Annotated

import typer

from tsniqa.cli.data import data_app
from tsniqa.cli.options import (
    DATA_ROOT,
    PUBLISHED,
    RECORDS,
    DataRoot,
    SeedOption,
    located,
)
from tsniqa.errors import TsniqaError
from tsniqa.paths import resolve

app = typer.Typer(
    help="Continual learning of blind image quality models by task-specific normalization.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(data_app, name="data")

PresetOption = Annotated[str, typer.Option(help="Name of a preset (see: tsniqa list).")]
ResultsDir = Annotated[Path, typer.Option(help="Folder that receives run records.")]
Device = Annotated[str, typer.Option(help="auto (a GPU where there is one), cpu or cuda.")]
ModelFolder = Annotated[Path, typer.Option(help="Folder of a saved model: <record>/model.")]


@app.command()
def run(
    preset: PresetOption = "mini",
    strategy: Annotated[str, typer.Option(help="tsn, head-only, sequential, ...")] = "tsn",
    order: Annotated[
        str | None, typer.Option(help="Task names with commas; left out, the preset's order.")
    ] = None,
    seed: SeedOption = 0,
    split: Annotated[
        str, typer.Option(help="'given', or 0 to 9: a seeded 70/10/20 split.")
    ] = "given",
    backbone: Annotated[str | None, typer.Option(help="Name or path of a backbone card.")] = None,
    device: Device = "auto",
    data_root: DataRoot = DATA_ROOT,
    results_dir: ResultsDir = RECORDS,
    splits_from: Annotated[
        Path | None, typer.Option(help="Folder of published split files to use instead of --split.")
    ] = None,
    change: Annotated[
        list[str] | None,
        typer.Option("--set", help="PATH=VALUE: change one value of the preset; repeatable."),
    ] = None,
    page: Annotated[bool, typer.Option(help="Also execute the notebook as a page.")] = True,
) -> None:
    """Learn a task order with a strategy, and execute the notebook 03_continual_run on it.

    A finished run is not repeated; an interrupted one continues after its last finished task.
    """
    from tsniqa.book.pages import Page, execute
    from tsniqa.book.parameters import overrides, run_config
    from tsniqa.study import runner as study

    splits = None if splits_from is None else str(located(splits_from))
    changes = overrides(change or [])
    config = run_config(preset, strategy, order, seed, split, backbone, changes, splits)
    record = study.run(config, located(data_root), located(results_dir), device)
    typer.echo(f"record: {record.folder}")
    if page:
        parameters = config.model_dump(mode="json")
        parameters |= {"backbone": backbone or "", "splits_from": splits or "", "device": device}
        folders = {"data_root": data_root, "results_dir": results_dir}
        parameters |= {name: str(located(path)) for name, path in folders.items()}
        name = f"own-{record.description.run_id}"
        path = execute(Page(name=name, notebook="03_continual_run", parameters=parameters))
        typer.echo(f"page: {path} (make book adds it under 'Your own runs')")


@app.command()
def page(
    name: Annotated[str, typer.Argument(help="Name of an entry of book/runs.yml.")],
    preset: PresetOption = "mini",
) -> None:
    """Execute one page of the book."""
    from tsniqa.book.pages import execute, load_pages
    from tsniqa.errors import unknown_name

    pages = load_pages(resolve("book/runs.yml"), preset)
    if name not in pages:
        raise unknown_name("page", name, pages)
    typer.echo(f"page: {execute(pages[name])}")


@app.command()
def score(
    images: Annotated[list[Path], typer.Argument(help="Image files.")],
    model: ModelFolder,
    use: Annotated[str, typer.Option(help="gated, hard, uniform or centred.")] = "gated",
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
    scores, weights = loaded.score_with_weights(batch, use)
    table = csv.writer(sys.stdout)
    table.writerow(["image", "score", *(f"weight {task}" for task in loaded.tasks)])
    for image, value, row in zip(images, scores, weights, strict=True):
        table.writerow([image, f"{value:.4f}", *(f"{weight:.3f}" for weight in row)])


@app.command()
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
    from tsniqa.study.extension import extend

    best = extend(located(model), task, located(out), preset, seed, located(data_root), device)
    typer.echo(f"model: {located(out)} (validation SRCC on {task}: {best:.3f})")


@app.command()
def search(
    plan: Annotated[
        Path, typer.Argument(help="A search file, for instance data/searches/open.yml.")
    ],
    data_root: DataRoot = DATA_ROOT,
    record: Annotated[
        Path | None, typer.Option(help="Search record; default results/searches/<name>.json.")
    ] = None,
) -> None:
    """Try the candidates of a search file on validation images; finished trials are kept."""
    from tsniqa.study.search import load_search_plan
    from tsniqa.study.search import search as search_all

    path = _search_record(plan, record)
    loaded = load_search_plan(located(plan))
    search_all(loaded, located(data_root), path, resolve(".runs/features"))
    typer.echo(f"search record: {path}")


def _search_record(plan: Path, record: Path | None) -> Path:
    """Return where a search keeps its record: the given file, or the published one's place."""
    default = resolve("results/searches") / f"{plan.stem}.json"
    return default if record is None else located(record)


@app.command("search-weights")
def search_weights(
    plan: Annotated[
        Path, typer.Argument(help="A weight-search file, such as data/searches/mini-weights.yml.")
    ],
    data_root: DataRoot = DATA_ROOT,
    record: Annotated[
        Path | None, typer.Option(help="Search record; default results/searches/<name>.json.")
    ] = None,
) -> None:
    """Try the weights of a weight-search file on validation images; finished trials are kept."""
    from tsniqa.study.weight_search import load_weight_plan
    from tsniqa.study.weight_search import search_weights as search_all

    path = _search_record(plan, record)
    loaded = load_weight_plan(located(plan))
    search_all(loaded, located(data_root), path, resolve(".runs/features"))
    typer.echo(f"search record: {path}")


@app.command()
def bench(
    model: Annotated[
        Path | None, typer.Option(help="Model to score with; default: the mini tsn run's.")
    ] = None,
) -> None:
    """Measure scoring and learning speed against the plain published way."""
    from tsniqa.scoring.bench import report

    for line in report(None if model is None else located(model), resolve(RECORDS)):
        typer.echo(line)


@app.command("compare-records")
def compare_records(
    results_dir: ResultsDir = RECORDS,
    published: Annotated[Path, typer.Option(help="Folder of published records.")] = PUBLISHED,
) -> None:
    """Print how the records made here differ from the published ones of the same runs."""
    from tsniqa.study.comparison import compare

    table = compare(located(results_dir), located(published))
    if table.empty:
        typer.echo("no run here has a published record to compare with")
    else:
        typer.echo(table.to_string(index=False))


@app.command("list")
def list_names(data_root: DataRoot = DATA_ROOT) -> None:
    """List presets, strategies, tasks and backbones."""
    from tsniqa.data import task_names
    from tsniqa.paths import shipped
    from tsniqa.strategies import STRATEGIES
    from tsniqa.study.presets import load_preset, preset_names

    typer.echo("presets")
    for name in preset_names():
        typer.echo(f"  {name}: {load_preset(name).description}")
    typer.echo("strategies")
    for name, strategy in STRATEGIES.items():
        typer.echo(f"  {name}: {sys.modules[strategy.__module__].__doc__.splitlines()[0]}")
    backbones = sorted(card.stem for card in shipped("backbones").glob("*.yml"))
    typer.echo(f"tasks\n  {', '.join(task_names(located(data_root)))}")
    typer.echo(f"backbones\n  {', '.join(backbones)}")


def main() -> None:
    """Run the command line; a foreseen failure is one line on standard error, exit code 2."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    logging.getLogger().setLevel(logging.WARNING)
    logging.getLogger("tsniqa").setLevel(logging.INFO)
    try:
        app(prog_name="tsniqa")
    except TsniqaError as error:
        print(f"tsniqa: {error}", file=sys.stderr)
        sys.exit(2)

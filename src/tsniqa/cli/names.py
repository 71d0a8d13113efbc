"""The command `tsniqa list`."""

import sys

import typer

from tsniqa.cli.options import DATA_ROOT, DataRoot


def list_names(data_root: DataRoot = DATA_ROOT) -> None:
    """List presets, strategies, tasks and backbones."""
    from tsniqa.data import task_names
    from tsniqa.paths import shipped
    from tsniqa.strategies import STRATEGIES
    from tsniqa.study.config import load_preset, preset_names

    typer.echo("presets")
    for name in preset_names():
        typer.echo(f"  {name}: {load_preset(name).description}")
    typer.echo("strategies")
    for name, strategy in STRATEGIES.items():
        typer.echo(f"  {name}: {sys.modules[strategy.__module__].__doc__.splitlines()[0]}")
    backbones = sorted(card.stem for card in shipped("backbones").glob("*.yml"))
    typer.echo(f"tasks\n  {', '.join(task_names(data_root))}")
    typer.echo(f"backbones\n  {', '.join(backbones)}")

"""The command `tsniqa export`."""

from pathlib import Path
from typing import Annotated

import typer

from tsniqa.cli.options import ModelFolder, from_here
from tsniqa.errors import ConfigError


def export(
    model: ModelFolder,
    out: Annotated[
        Path, typer.Argument(help="The file to write, with the ending .onnx.", callback=from_here)
    ],
    task: Annotated[
        str | None, typer.Option(help="Only this task's head; default: all, mixed by the gate.")
    ] = None,
    readout: Annotated[
        str | None,
        typer.Option(help="gated, calibrated, hard, uniform or centred; default: the model's own."),
    ] = None,
) -> None:
    """Write a model as one ONNX file, which scores images without PyTorch.

    It is compared with the model first, and written only if both say the same to 0.00001.
    """
    from tsniqa.model.tsniqa import TSNIQA
    from tsniqa.scoring.exporting import export_model

    if out.suffix.lower() != ".onnx":
        raise ConfigError(f"{out} does not end in .onnx; name the file so")
    difference = export_model(TSNIQA.load(model), out, readout, task)
    size = out.stat().st_size / 1e6
    typer.echo(f"{out}: {size:.1f} MB, scores as PyTorch's to {difference:.0e}")

"""Paths on the command line: what a user gives counts from the current folder."""

from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from tsniqa.cli.options import from_here
from tsniqa.paths import project_root


@pytest.mark.parametrize("value", ["data/raw", "elsewhere", "../up", "/absolute"])
def test_a_given_path_counts_from_here_and_a_default_from_the_checkout(
    tmp_path, monkeypatch, value
):
    app, seen = typer.Typer(), []

    @app.command()
    def command(
        root: Annotated[Path, typer.Option(callback=from_here)] = Path("data/raw"),
        out: Annotated[Path | None, typer.Option(callback=from_here)] = None,
    ) -> None:
        seen.append((root, out))

    monkeypatch.chdir(tmp_path)
    for arguments in ([], ["--root", value, "--out", value]):
        assert CliRunner().invoke(app, arguments).exit_code == 0
    assert seen == [
        (project_root() / "data/raw", None),
        (tmp_path / value, tmp_path / value),
    ]

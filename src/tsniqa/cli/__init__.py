"""The command line, one file a group. Heavy imports wait until a command needs them."""

import logging
import sys

import typer

from tsniqa.cli import gates, listing, run, score
from tsniqa.cli.data import data_app
from tsniqa.errors import TsniqaError

app = typer.Typer(
    help="Continual learning of blind image quality models by task-specific normalization.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for command in (run.run, run.campaign, run.page, score.score, score.add, run.sweep):
    app.command()(command)
app.command("compare-records")(listing.compare_records)
app.command()(listing.summary)
app.command()(gates.gates)
app.command("list")(listing.list_names)
app.add_typer(data_app, name="data")


def main() -> None:
    """Run the command line; a foreseen failure is one line on standard error, exit code 2."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("tsniqa").setLevel(logging.INFO)
    try:
        app(prog_name="tsniqa")
    except TsniqaError as error:
        print(f"tsniqa: {error}", file=sys.stderr)
        sys.exit(2)

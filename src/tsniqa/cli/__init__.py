"""The command line, one file a group. Heavy imports wait until a command needs them."""

import errno
import logging
import sys
from importlib.metadata import version
from typing import Annotated

import typer

from tsniqa.cli import export, gates, learn, listing, report, run, score
from tsniqa.cli.data import data_app
from tsniqa.cli.models import model_app
from tsniqa.errors import TsniqaError

app = typer.Typer(
    help="Continual learning of blind image quality models by task-specific normalization.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
#: What a machine refuses: no more room, no right, no such place.
REFUSALS = (
    errno.EACCES, errno.EDQUOT, errno.EEXIST, errno.EFBIG, errno.EIO, errno.EISDIR,
    errno.ENAMETOOLONG, errno.ENOENT, errno.ENOSPC, errno.ENOTDIR, errno.EPERM, errno.EROFS,
)  # fmt: skip


def show_version(wanted: bool) -> None:
    """Print the version and leave, if it is wanted."""
    if wanted:
        typer.echo(version("tsniqa"))
        raise typer.Exit


@app.callback()
def common(
    _version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Show it.")
    ] = False,
) -> None:
    """Continual learning of blind image quality models by task-specific normalization."""


for command in (
    run.run,
    run.verify,
    run.campaign,
    run.page,
    score.score,
    export.export,
    learn.learn,
    report.report,
    run.sweep,
):
    app.command()(command)
app.command("compare-records")(listing.compare_records)
app.command()(listing.summary)
app.command()(gates.gates)
app.command("list")(listing.list_names)
app.add_typer(data_app, name="data")
app.add_typer(model_app, name="model")


def main() -> None:
    """Run the command line; a foreseen failure is one line on standard error, exit code 2."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("tsniqa").setLevel(logging.INFO)
    # A name that is no text here, of a file or in an ASCII terminal, is shown by its bytes.
    sys.stdout.reconfigure(errors="backslashreplace")
    try:
        app(prog_name="tsniqa")
    except TsniqaError as error:
        print(f"tsniqa: {error}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        if error.errno == errno.EPIPE:  # the reader has seen enough, as `head` has
            sys.stderr.close()
            sys.exit(1)
        if error.errno not in REFUSALS:
            raise
        place = f" ({error.filename})" if error.filename else ""
        print(f"tsniqa: {error.strerror}{place}; make room, or name another place", file=sys.stderr)
        sys.exit(2)

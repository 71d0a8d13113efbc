"""Pages of the book: entries of runs.yml, the runs they need, and their execution by papermill."""

import itertools
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from tsniqa.book.parameters import checked
from tsniqa.errors import ConfigError, TsniqaError, invalid_content, one_line, unknown_name
from tsniqa.paths import project_root, resolve

if TYPE_CHECKING:
    import nbformat

# Figures are vectors, the same from one execution to the next: no date, no random names inside.
_KERNEL = [
    "--InlineBackend.figure_formats={'svg'}",
    "--InlineBackend.print_figure_kwargs={'bbox_inches': 'tight', 'metadata': {'Date': None}}",
    "--InlineBackend.rc={'svg.hashsalt': 'tsniqa'}",
]


class Page(BaseModel):
    """One entry of ``book/runs.yml``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = ""  #: the page's file name, which is the entry's key
    notebook: str  #: name of a notebook in ``notebooks/``, without ending
    title: str | None = None  #: replaces the notebook's own, so that pages of one notebook differ
    parameters: dict[str, Any] = {}  #: values of the notebook's parameters
    after: tuple[str, ...] = ()  #: names of pages that must be executed first

    @property
    def template(self) -> Path:
        """The notebook to execute."""
        return project_root() / "notebooks" / f"{self.notebook}.ipynb"

    @property
    def path(self) -> Path:
        """Where the executed page goes."""
        return project_root() / "book" / "runs" / f"{self.name}.ipynb"

    @property
    def is_lesson(self) -> bool:
        """Whether the page is a lesson, which has slides."""
        return self.notebook.startswith("lessons/")

    def runs(self) -> dict[str, dict[str, Any]]:
        """Return the runs this page reads, by a readable name, as options of ``tsniqa run``.

        That is every combination of its ``strategy`` or ``strategies``, its ``seed`` or ``seeds``
        and its ``split`` or ``splits``. With ``overrides``, or where published records are named to
        it, its notebook makes the run itself, if need be.
        """
        given = self.parameters
        needed = {}
        by_itself = given.get("overrides") or given.get("published_dir")
        for strategy, seed, split in [] if by_itself else self._combinations():
            options = {"preset": given.get("preset", "mini"), "strategy": strategy, "seed": seed}
            options |= {"split": split} if split else {}
            others = ("splits_from", "backbone", "data_root")
            options |= {key: given[key] for key in others if key in given}
            if given.get("task_order"):
                options["order"] = ",".join(given["task_order"])
            name = "_".join(str(value) for value in options.values())
            needed["".join(c if c.isalnum() or c in "-_" else "-" for c in name)] = options
        return needed

    def reads(self) -> list[Path]:
        """Return the files this page's parameters name; of records, those it may show.

        These are of its preset, and of its strategy and seed if it has one of each.
        """
        values = checked(self.notebook, self.parameters)
        wanted = str(values.get("preset", ""))
        if {"strategy", "seed"} <= values.keys():
            wanted += f"-{values['strategy']}-seed{values['seed']}-"
        found = []
        for value in _leaves(values):
            if str(value).startswith(("book/", "results/")):
                path = project_root() / value
                inside = [*path.glob(f"{wanted}*/*"), *path.glob(f"{wanted}*.csv")]
                found += [path] if path.is_file() else sorted(inside)
        return found

    def check(self) -> None:
        """Check everything this page names but other pages; a ConfigError says what is wrong."""
        from tsniqa.data import task_names
        from tsniqa.data.cards import load_cards
        from tsniqa.strategies import find_strategy
        from tsniqa.study.config import RunConfig, check_order, load_preset, run_config

        values = checked(self.notebook, self.parameters)
        fields = {name: value for name, value in values.items() if name in RunConfig.model_fields}
        for strategy, seed, split in self._combinations():
            own = {"strategy": strategy, "seed": seed} | ({"split": split} if split else {})
            run_config(**fields | own)
            find_strategy(strategy)
        if "preset" in values:
            load_preset(values["preset"], values.get("overrides"))
        if (order := values.get("task_order")) is not None:
            check_order(order)
            here = task_names(resolve(values.get("data_root", "data/raw")))
            for name in order:
                if name not in here and name not in load_cards():
                    raise unknown_name("task", name, here)

    def _combinations(self) -> list[tuple[str, int, str | None]]:
        """Return the strategies, seeds and splits of its runs; None is the split by default."""
        given = self.parameters
        strategies = given.get("strategies", [given["strategy"]] if "strategy" in given else [])
        seeds = given.get("seeds", [given.get("seed", 0)])
        splits = given.get("splits", [given.get("split")])
        return list(itertools.product(strategies, seeds, splits))


def _leaves(value: Any) -> Iterator[Any]:
    """Yield the values inside of dictionaries and lists."""
    if isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _leaves(one)
    else:
        yield value


def load_pages(path: Path, preset: str = "mini", check: bool = True) -> dict[str, Page]:
    """Read ``runs.yml`` and check every entry.

    Args:
        path: The file.
        preset: Of pages that leave their notebook's parameter ``preset`` open.
        check: Whether to check what entries name, which takes seconds of imports; a notebook
            checks its own when it is executed.

    Raises:
        ConfigError: The file or an entry is not valid; the message names the first mistake.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        entries = TypeAdapter(dict[str, Page]).validate_python(content)
    except OSError as error:
        raise ConfigError(f"no list of pages at {path}; it belongs to the checkout") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not a valid list of pages: {one_line(error)}") from error
    except ValidationError as error:
        raise invalid_content(f"{path} is not a valid list of pages", error) from error
    pages = {}
    for name, entry in entries.items():
        try:
            parameters = entry.parameters
            if "preset" in checked(entry.notebook, parameters):
                parameters = {"preset": preset, **parameters}
            pages[name] = entry.model_copy(update={"name": name, "parameters": parameters})
            if check:
                pages[name].check()
            for other in entry.after:
                if other not in entries:
                    raise unknown_name("page", other, entries)
        except ConfigError as error:
            raise ConfigError(f"{path}, page '{name}': {error}") from error
    return pages


def execute(page: Page) -> Path:
    """Execute a page's notebook and return its path; the page appears only once it is whole.

    Raises:
        TsniqaError: A cell failed; the message is the failure's own line.
    """
    # To check addresses in schemas, nbformat would compile a grammar for two seconds; notebooks
    # have none, and without the grammar such checks are left out.
    sys.modules.setdefault("rfc3987_syntax", None)
    import nbformat
    import papermill
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    partial = project_root() / ".runs" / "pages" / page.path.name
    for folder in (page.path.parent, partial.parent):
        folder.mkdir(parents=True, exist_ok=True)
    # Commands in cells are those of this environment, whether or not it is activated.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    try:
        with _this_python():
            papermill.execute_notebook(
                page.template,
                partial,
                parameters=page.parameters,
                kernel_name="python3",
                cwd=str(project_root()),
                progress_bar=False,
                extra_arguments=_KERNEL,
            )
    except PapermillExecutionError as error:
        raise TsniqaError(
            f"page '{page.name}' failed in a cell: {error.ename}: {one_line(error.evalue)}; "
            f"the notebook up to there is {partial}"
        ) from error
    except DeadKernelError as error:
        raise TsniqaError(
            f"page '{page.name}': its process was ended, perhaps for want of memory; "
            f"the notebook up to there is {partial}"
        ) from error
    notebook = nbformat.read(partial, as_version=4)
    _finish(notebook, page)
    nbformat.write(notebook, partial)
    partial.replace(page.path)
    return page.path


@contextmanager
def _this_python() -> Iterator[None]:
    """Let the kernel ``python3`` be this interpreter, whatever kernel a user has by that name."""
    from ipykernel.kernelspec import write_kernel_spec

    others = os.environ.get("JUPYTER_PATH", "")
    with TemporaryDirectory() as first:
        write_kernel_spec(Path(first) / "kernels" / "python3")
        os.environ["JUPYTER_PATH"] = os.pathsep.join(filter(None, (first, others)))
        try:
            yield
        finally:
            os.environ["JUPYTER_PATH"] = others


def _finish(notebook: "nbformat.NotebookNode", page: Page) -> None:
    """Set the page's title, fold what only prepares, strip what changes between executions."""
    from nbconvert.preprocessors import CoalesceStreamsPreprocessor

    from tsniqa.book.lessons import ANSWER
    from tsniqa.book.sections import (
        name_toggle,
        with_one_setup,
        without_empty,
        without_empty_headers,
    )

    notebook.metadata.pop("papermill", None)
    notebook.cells = with_one_setup(without_empty(notebook.cells))
    for cell in notebook.cells:
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)
        without_empty_headers(cell)
        CoalesceStreamsPreprocessor().preprocess_cell(cell, {}, 0)
        if ANSWER in cell.metadata.get("tags", []):
            name_toggle(cell, "Answer")
    first = notebook.cells[0]
    if first.cell_type == "markdown" and first.source.startswith("# "):
        title, *rest = first.source.splitlines()
        if page.title is not None:
            title = f"# {page.title}"
        if page.is_lesson:
            # HTML, because the deck is made after the book and no file for Sphinx to look for.
            title += f'\n\n<a href="../../slides/{page.name}.html">Slides of this lesson</a>'
        first.source = "\n".join([title, *rest])

"""Pages of the book: entries of runs.yml, the runs they need, and their execution by papermill."""

import ast
import itertools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from tsniqa.book.sections import without_empty
from tsniqa.errors import ConfigError, TsniqaError, unknown_name
from tsniqa.paths import project_root

PUBLISHED = "results"
"""Top-level folder of published results."""


class Page(BaseModel):
    """One entry of ``book/runs.yml``.

    Attributes:
        name: The page's file name, the entry's key.
        notebook: Name of a notebook in ``notebooks/``, without ending.
        title: Replaces the notebook's own title, so that pages of one notebook differ.
        parameters: Values of the notebook's parameters.
        after: Names of pages that must be executed first.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    notebook: str
    title: str | None = None
    parameters: dict[str, Any] = {}
    after: tuple[str, ...] = ()

    @property
    def template(self) -> Path:
        """The notebook to execute."""
        return project_root() / "notebooks" / f"{self.notebook}.ipynb"

    @property
    def path(self) -> Path:
        """Where the executed page goes."""
        return project_root() / "book" / "runs" / f"{self.name}.ipynb"

    def runs(self) -> dict[str, dict[str, Any]]:
        """Return the runs this page reads, by a readable name, as options of ``tsniqa run``.

        A page needs a run for every combination of its ``strategy`` or ``strategies`` and its
        ``seed`` or ``seeds``; without a strategy it needs none.
        """
        given = self.parameters
        strategies = given.get("strategies", [given["strategy"]] if "strategy" in given else [])
        needed = {}
        for strategy, seed in itertools.product(
            strategies, given.get("seeds", [given.get("seed", 0)])
        ):
            options = {"preset": given.get("preset", "mini"), "strategy": strategy, "seed": seed}
            others = ("split", "splits_from", "backbone", "data_root")
            options |= {key: given[key] for key in others if key in given}
            if given.get("task_order"):
                options["order"] = ",".join(given["task_order"])
            name = "_".join(str(value) for value in options.values())
            needed["".join(c if c.isalnum() or c in "-_" else "-" for c in name)] = options
        return needed


def load_pages(path: Path, preset: str = "mini") -> dict[str, Page]:
    """Read ``runs.yml``.

    Args:
        path: The file.
        preset: Preset of the pages whose notebook has a parameter ``preset`` that the entry
            leaves open.

    Raises:
        ConfigError: The file or an entry is not valid.
    """
    try:
        entries = yaml.safe_load(path.read_text())
        pages = {name: Page(name=name, **(entry or {})) for name, entry in entries.items()}
    except OSError as error:
        raise ConfigError(f"no list of pages at {path}; it belongs to the checkout") from error
    except (yaml.YAMLError, ValidationError, AttributeError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"{path} is not a valid list of pages: {reason}") from error
    return {name: _with_preset(page, preset) for name, page in pages.items()}


def _with_preset(page: Page, preset: str) -> Page:
    known = notebook_parameters(page.template)
    for name in page.parameters:
        if name not in known:
            raise unknown_name("parameter", name, known)
    if "preset" not in known or "preset" in page.parameters:
        return page
    return page.model_copy(update={"parameters": {"preset": preset, **page.parameters}})


def origins(pages: Mapping[str, Page]) -> pd.DataFrame:
    """Say where the results of every page come from.

    Returns:
        One row a page: ``page``, ``notebook``, ``runs computed here`` (how many it names) and
        ``published results``: ``read`` if a parameter of the notebook is a folder of them.
    """
    rows = []
    for page in pages.values():
        values = (notebook_parameters(page.template) | page.parameters).values()
        published = any(str(value).startswith(f"{PUBLISHED}/") for value in values)
        rows.append((page.name, page.notebook, len(page.runs()), "read" if published else "–"))
    columns = ["page", "notebook", "runs computed here", "published results"]
    return pd.DataFrame(rows, columns=columns)


def notebook_parameters(template: Path) -> dict[str, Any]:
    """Return the names that a notebook's cell tagged ``parameters`` assigns, and their defaults.

    Raises:
        ConfigError: There is no such notebook.
    """
    if not template.is_file():
        names = [path.stem for path in template.parent.glob("*.ipynb")]
        raise unknown_name("notebook", template.stem, names)
    for cell in nbformat.read(template, as_version=4).cells:
        if "parameters" in cell.metadata.get("tags", []):
            nodes = ast.parse(cell.source).body
            given = [node for node in nodes if isinstance(node, ast.AnnAssign)]
            return {node.target.id: ast.literal_eval(node.value) for node in given}
    return {}


def execute(page: Page) -> Path:
    """Execute a page's notebook; the page appears only once it is whole.

    Returns:
        The path of the executed notebook.

    Raises:
        TsniqaError: A cell failed; the message is the failure's own line.
    """
    import papermill
    from papermill.exceptions import PapermillExecutionError

    partial = project_root() / ".runs" / "pages" / page.path.name
    for folder in (page.path.parent, partial.parent):
        folder.mkdir(parents=True, exist_ok=True)
    try:
        papermill.execute_notebook(
            page.template,
            partial,
            parameters=page.parameters,
            kernel_name="python3",
            cwd=os.fspath(project_root()),
            progress_bar=False,
        )
    except PapermillExecutionError as error:
        raise TsniqaError(
            f"page '{page.name}' failed in a cell: {error.ename}: {error.evalue}; "
            f"the notebook up to there is {partial}"
        ) from error
    notebook = nbformat.read(partial, as_version=4)
    _finish(notebook, page.title)
    nbformat.write(notebook, partial)
    partial.replace(page.path)
    return page.path


def _finish(notebook: nbformat.NotebookNode, title: str | None) -> None:
    """Set the page's title and strip what changes from one execution to the next."""
    notebook.metadata.pop("papermill", None)
    notebook.cells = without_empty(notebook.cells)
    for cell in notebook.cells:
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)
        if "injected-parameters" in cell.metadata.get("tags", []):
            cell.metadata.tags.append("hide-input")
    first = notebook.cells[0]
    if title is not None and first.cell_type == "markdown" and first.source.startswith("# "):
        first.source = "\n".join([f"# {title}", *first.source.splitlines()[1:]])

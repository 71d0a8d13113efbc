"""A Sphinx extension: writes one page a module of the package, before the book is read."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.config import Config

PAGE = """\
{title}
{line}

.. automodule:: {name}
   :members:
   :ignore-module-all:
   :exclude-members: set_partial_fit_request, set_transform_request, set_predict_proba_request
"""  # what scikit-learn adds to an estimator speaks of pages that are not here
PARTS = """
.. autosummary::

"""


def write_pages(app: "Sphinx", config: "Config") -> None:
    """Write ``book/api/<module>.rst`` for every module; unchanged pages keep their time."""
    source = Path(app.srcdir) / "src"
    folder = Path(app.srcdir) / "book" / "api"
    folder.mkdir(exist_ok=True)
    names = sorted(
        ".".join(path.relative_to(source).with_suffix("").parts).removesuffix(".__init__")
        for path in source.rglob("*.py")
        if path.name != "__main__.py"  # it has nothing to call
    )
    pages = {folder / f"{name}.rst": _page(name, names) for name in names}
    for path in folder.glob("*.rst"):
        if path not in pages:
            path.unlink()
    for path, text in pages.items():
        if not path.is_file() or path.read_text() != text:
            path.write_text(text)


def _page(name: str, names: list[str]) -> str:
    parts = [other.split(".")[-1] for other in names if other.rpartition(".")[0] == name]
    text = PAGE.format(title=name, line="=" * len(name), name=name)
    return text + (PARTS + "".join(f"   {part}\n" for part in parts) if parts else "")


def keep_as_text(
    app: "Sphinx", what: str, name: str, obj: object, options: object, lines: list[str]
) -> None:
    """Begin an attribute's text with an empty line, lest napoleon takes its colon for a type's."""
    if what in ("attribute", "data") and lines and ":" in lines[0]:
        lines.insert(0, "")


def setup(app: "Sphinx") -> dict[str, bool]:
    """Register the extension; the table of contents is read at the same event, later."""
    app.connect("config-inited", write_pages, priority=1)
    app.connect("autodoc-process-docstring", keep_as_text, priority=400)  # napoleon is at 500
    return {"parallel_read_safe": True}

"""Leave out of every page the scripts of thebe, which would run its code on a server elsewhere."""

from sphinx.application import Sphinx


def without_thebe(
    app: Sphinx, page: str, template: str, context: dict[str, object], doctree: object
) -> None:
    """Drop the scripts that jupyter-book adds, twice, whether or not the book uses them."""
    scripts = context.get("script_files", [])
    kept = [one for one in scripts if "thebe" not in f"{one.filename} {one.attributes}"]
    context["script_files"] = kept


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx, after the extension that adds the scripts."""
    app.connect("html-page-context", without_thebe, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

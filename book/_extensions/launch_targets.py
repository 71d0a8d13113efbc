"""Let the theme's launch buttons open notebooks that are in the repository.

The buttons (Colab, Binder) appear once ``repository.url`` is set in ``_config.yml``, and would open
the executed pages, which are not committed. A lesson opens its notebook to work on; other
notebooks do not install the study, so they have no button for Colab.
"""

from pathlib import Path

from sphinx.application import Sphinx

from tsniqa.book.pages import load_pages

_GROUP = "launch-buttons"  # as the theme names them


def to_stored_notebooks(
    app: Sphinx, page: str, template: str, context: dict[str, object], doctree: object
) -> None:
    """Replace the page's path in the addresses of its buttons."""
    buttons = [one for one in context.get("header_buttons", []) if one.get("label") == _GROUP]
    if not buttons:
        return
    entries = load_pages(Path(app.srcdir) / "book" / "runs.yml", check=False)
    entry = entries.get(Path(page).name)
    if entry is None:  # a page that tsniqa run made: its notebook alone would not show that run
        context["header_buttons"] = [one for one in context["header_buttons"] if one not in buttons]
        return
    stored = f"notebooks/{entry.notebook.replace('lessons/', 'lessons/starters/')}.ipynb"
    for group in buttons:
        kept = [one for one in group["buttons"] if entry.is_lesson or one["text"] != "Colab"]
        for button in kept:
            button["url"] = button["url"].replace(f"{page}.ipynb", stored)
        group["buttons"] = kept


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx, after the theme, which makes the buttons at 500."""
    app.connect("html-page-context", to_stored_notebooks, priority=600)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""The lessons on paper: their built pages, printed by a headless Chromium into one PDF.

``python -m tsniqa.book.pdf`` (or ``make pdf``) writes it next to the built book.
"""

import io
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tsniqa.book.pages import load_pages
from tsniqa.book.slides import BUILT
from tsniqa.errors import TsniqaError
from tsniqa.paths import project_root

if TYPE_CHECKING:
    from playwright.sync_api import Browser

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_QUIET = ("--disable-background-networking", "--disable-component-update", "--disable-sync")
_OPTIONS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-quic", *_QUIET]
_PAPER = {
    "format": "A4",
    "print_background": True,
    "margin": dict.fromkeys(("top", "bottom"), "15mm"),
}


@contextmanager
def chromium() -> Iterator["Browser"]:
    """Start the machine's Chromium without a window.

    Raises:
        TsniqaError: There is none; the environment variable ``CHROMIUM`` may name it.
    """
    from playwright.sync_api import sync_playwright

    names = (os.environ.get("CHROMIUM", ""), *_NAMES)
    program = next(filter(None, map(shutil.which, filter(None, names))), None)
    if program is None:
        raise TsniqaError("there is no Chromium here; install it, or name it in CHROMIUM")
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=program, args=_OPTIONS)
        yield browser
        browser.close()


def write_pdf(browser: "Browser") -> Path:
    """Print every lesson of the built book, one after another, and return the file.

    What is folded on a page, such as answers, is left out (``study.css``).

    Raises:
        TsniqaError: The book is not built.
    """
    from pypdf import PdfWriter

    root = project_root()
    pages = load_pages(root / "book" / "runs.yml", check=False).values()
    folder = root / BUILT / "book" / "runs"
    lessons = [folder / f"{page.name}.html" for page in pages if page.is_lesson]
    if absent := [path for path in lessons if not path.is_file()]:
        raise TsniqaError(f"{absent[0]} is not built; run make book first")
    together = PdfWriter()
    tab = browser.new_page(color_scheme="light", reduced_motion="reduce")
    for path in lessons:
        tab.goto(path.as_uri())
        tab.evaluate("() => window.MathJax?.startup?.promise.then(() => null)")
        title = tab.locator("h1").first.inner_text().rstrip("#")
        together.append(io.BytesIO(tab.pdf(**_PAPER)), outline_item=title)
    target = root / BUILT / "lessons.pdf"
    together.write(target)
    return target


if __name__ == "__main__":
    try:
        with chromium() as started:
            print(f"lessons on paper: {write_pdf(started)}")
    except TsniqaError as error:
        print(f"tsniqa: {error}", file=sys.stderr)
        sys.exit(2)

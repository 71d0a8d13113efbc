"""Every page as readers see it: in light, in dark and on a phone, and without a network."""

from importlib.resources import files
from pathlib import Path

import pytest

from browser import overflow, started, tab_without_network
from browser import violations as all_violations
from tsniqa.book.pdf import write_pdf

HTML = Path(__file__).parents[2] / "_build" / "html"
PAGES = sorted(
    path
    for path in HTML.rglob("*.html")
    if path.relative_to(HTML).parts[0] not in ("_static", "slides", "index.html")  # that moves on
)
DECKS = sorted((HTML / "slides").glob("*.html"))

# Rules whose outcome depends on colours, or on the width; all others are checked once.
OF_COLOURS = ["color-contrast", "link-in-text-block"]
OF_WIDTH = ["scrollable-region-focusable"]

# Of the theme and of docutils, which we do not write: the rule, and what selector or element
# hold.
NOT_OURS = [
    ("region", ".sidebar-primary-item"),  # the book's name above the table of contents
    # Bibliographies: docutils writes roles that have been given up since, in a list of none.
    ("aria-allowed-role", 'class="citation"'),
    ("aria-deprecated-role", 'class="citation"'),
    ("aria-required-children", 'class="citation-list"'),
]

SLIDES = """() => {
  const wrong = [];
  for (const slide of Reveal.getSlides()) {
    const place = Reveal.getIndices(slide);
    Reveal.slide(place.h, place.v);
    for (const answer of [null, ...slide.querySelectorAll("details")]) {
      if (answer) answer.open = true;
      const parts = [...slide.querySelectorAll("pre, table")].map((part) => part.scrollWidth);
      const [width, height] = [Math.max(slide.scrollWidth, ...parts), slide.scrollHeight];
      if (width > 960 || height > 700)
        wrong.push(`slide ${place.h + 1}.${(place.v || 0) + 1} is ${width} x ${height}`);
    }
  }
  return wrong;
}"""


@pytest.fixture(scope="module")
def browser():
    if not PAGES:
        pytest.skip("the book is not built here; run make book first")
    yield from started()


@pytest.fixture(scope="module")
def tab(browser):
    return tab_without_network(browser)


def show(tab, path, width, height):
    tab.problems.clear()
    tab.emulate_media(color_scheme="light")
    tab.set_viewport_size({"width": width, "height": height})
    tab.goto(path.as_uri())
    tab.evaluate("() => window.MathJax?.startup?.promise.then(() => null)")


def violations(tab, rules=None):
    return [
        f"{rule}: {element}"
        for rule, element in all_violations(tab, rules)
        if not any(rule == name and part in element for name, part in NOT_OURS)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("path", PAGES, ids=[str(path.relative_to(HTML)) for path in PAGES])
def test_a_page_can_be_read_by_everybody(tab, path):
    # First narrow: at a later change of the width the theme is slow to say what can be reached.
    show(tab, path, 390, 800)
    tab.evaluate(files("axe_playwright_python").joinpath("axe.min.js").read_text())
    found = [f"390 px, {problem}" for problem in violations(tab, OF_WIDTH) + overflow(tab)]
    tab.add_style_tag(content="* { transition: none !important }")  # colours change at once
    tab.set_viewport_size({"width": 1280, "height": 900})
    tab.emulate_media(color_scheme="dark")
    tab.wait_for_function("document.documentElement.dataset.theme == 'dark'")
    found += [f"dark, {problem}" for problem in violations(tab, OF_COLOURS)]
    tab.emulate_media(color_scheme="light")
    tab.wait_for_function("document.documentElement.dataset.theme == 'light'")
    found += violations(tab) + overflow(tab)
    assert not found + tab.problems, "\n".join(found + tab.problems)


@pytest.mark.slow
@pytest.mark.parametrize("path", DECKS, ids=[path.stem for path in DECKS])
def test_slides_hold_what_is_on_them(tab, path):
    show(tab, path, 960, 700)
    tab.wait_for_function("window.Reveal?.isReady()")
    found = tab.evaluate(SLIDES)
    assert not found + tab.problems, "\n".join(found + tab.problems)


@pytest.mark.slow
def test_a_figure_opens_and_closes_from_the_keyboard(tab):
    with_figures = (path for path in PAGES if "<figure" in path.read_text())
    show(tab, next(with_figures), 390, 800)
    button = tab.locator("button.zoom").first
    button.press("Enter")
    assert tab.locator("dialog.zoomed[open] img").count() == 1
    tab.keyboard.press("Escape")
    assert tab.locator("dialog.zoomed[open]").count() == 0
    assert button.evaluate("button => button == document.activeElement")


@pytest.mark.slow
@pytest.mark.skipif(not DECKS, reason="the lessons are not built here; run make book first")
def test_the_lessons_are_printed_without_what_is_folded(browser):
    pypdf = pytest.importorskip("pypdf", reason="pypdf is not installed")
    printed = pypdf.PdfReader(write_pdf(browser))
    assert [entry.title[:9] for entry in printed.outline] == [f"Lesson {n}:" for n in range(1, 8)]
    text = "\n".join(page.extract_text() for page in printed.pages)
    assert "Take-away" in text
    assert "Show the code" not in text
    assert "Answer" not in text.split()

"""Chromium for tests, and what is wrong with the page that it shows."""

import pytest

from tsniqa.book.pdf import chromium
from tsniqa.errors import TsniqaError


def started():
    """Yield a browser, or skip: what a fixture of a module yields from."""
    pytest.importorskip("playwright", reason="playwright is not installed")
    try:
        with chromium() as browser:
            yield browser
    except TsniqaError as missing:
        pytest.skip(str(missing))


def tab_without_network(browser, **options):
    """Open a tab; its list ``problems`` is what went wrong on the page it shows."""
    tab = browser.new_context(offline=True, reduced_motion="reduce", **options).new_page()
    tab.set_default_timeout(300_000)  # other work may have the machine
    tab.problems = []
    tab.on("pageerror", lambda error: tab.problems.append(f"error: {error}"))
    tab.on("console", lambda m: m.type == "error" and tab.problems.append(f"console: {m.text}"))
    tab.on("request", lambda request: is_remote(request.url) and tab.problems.append(request.url))
    return tab


def is_remote(address):
    return not address.startswith(("file:", "data:", "blob:", "about:"))


def violations(tab, rules=None):
    """Run axe, which the page has been given; list what it finds, by rule and element."""
    only = {"runOnly": rules} if rules else {}
    # Without "preload", which reads style sheets in a way that browsers refuse to pages from files.
    options = {"resultTypes": ["violations"], "preload": False, **only}
    # Without what MathJax draws, which is hidden from screen readers; its MathML is for them.
    run = "options => axe.run({exclude: ['mjx-container']}, options)"
    return [
        (rule["id"], f"{' '.join(map(str, node['target']))} {node['html'][:160]}")
        for rule in tab.evaluate(run, options)["violations"]
        for node in rule["nodes"]
    ]


def overflow(tab):
    wider = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    return [f"{tab.evaluate(wider)} pixels too wide"] if tab.evaluate(wider) > 0 else []

"""What shares a place on a page: tabs, of which one is shown, and what is folded away.

The book gives them sphinx-design's style; elsewhere tabs stand one below another. The output of a
cell cannot hold other outputs, so figures become pictures within its HTML.
"""

from base64 import b64encode
from collections.abc import Iterable, Mapping
from html import escape
from io import StringIO
from urllib.parse import quote

from IPython.core.formatters import format_display_data
from IPython.display import HTML
from matplotlib import rc_context
from matplotlib.figure import Figure

GROUP = "strategy"
"""Tabs of this group change together, on every page; ``?strategy=tsn`` in an address picks one."""


def tabs(name: str, shown: Mapping[str, object], alt: str) -> HTML:
    """Lay out one thing a tab.

    Args:
        name: Tells this set of tabs apart from the others of the page.
        shown: By label: a text, which becomes a paragraph, a figure, or what a notebook shows as
            HTML or as a JPEG; several of them in a tuple.
        alt: Describes the pictures; the label is put before it.
    """
    items = []
    for number, (label, content) in enumerate(shown.items()):
        parts = content if isinstance(content, tuple) else (content,)
        inside = _inside(parts, f"{label}: {alt}")
        own, text = f"tab-{name}-{number}", escape(label)
        items.append(
            f'<input type="radio" name="tabs-{name}" id="{own}"{" checked" * (number == 0)}>\n'
            f'<label class="sd-tab-label" for="{own}" data-sync-group="{GROUP}" '
            f'data-sync-id="{text}">{text}</label>\n'
            f'<div class="sd-tab-content">\n{inside}\n</div>'
        )
    return HTML('<div class="sd-tab-set">\n' + "\n".join(items) + "\n</div>")


def folded(shown: Mapping[str, object]) -> HTML:
    """Fold things away, each under its title, which a click opens.

    Args:
        shown: As :func:`tabs` takes it, without figures.
    """
    items = []
    for title, content in shown.items():
        parts = content if isinstance(content, tuple) else (content,)
        items.append(
            '<details class="sd-sphinx-override sd-dropdown sd-card sd-mb-2">\n'
            f'<summary class="sd-summary-title sd-card-header">{escape(title)}</summary>\n'
            f'<div class="sd-summary-content sd-card-body">\n{_inside(parts)}\n</div>\n</details>'
        )
    return HTML("\n".join(items))


def _inside(parts: Iterable[object], alt: str = "") -> str:
    return "\n".join(_html(part, alt) for part in parts)


def _html(part: object, alt: str) -> str:
    if isinstance(part, str):
        return f'<p class="sd-text-left">{escape(part)}</p>'
    if isinstance(part, Figure):
        stored = StringIO()
        with rc_context({"svg.fonttype": "none"}):  # glyphs as outlines would double its weight
            part.savefig(stored, format="svg")
        # Percent signs where an attribute needs them: base64 would add a third.
        source = "svg+xml," + quote(stored.getvalue(), safe=" !'()*+,-./:;<=>?@[]_{}|~\n")
    else:
        data = format_display_data(part)[0]
        if "text/html" in data:
            return data["text/html"]
        jpeg = data["image/jpeg"]
        source = "jpeg;base64," + (b64encode(jpeg).decode() if isinstance(jpeg, bytes) else jpeg)
    return f'<img src="data:image/{source}" alt="{escape(alt)}">'

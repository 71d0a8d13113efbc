"""Slides: what they keep of a lesson, and that they load nothing from elsewhere."""

import re

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tsniqa.book.lessons import plain
from tsniqa.book.slides import deck


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Forgetting {cite}`a1989,b`, it is.", "Forgetting, it is."),
        ("Take {download}`the notebook </a/b.ipynb>`; go.", "Take the notebook; go."),
        ("the {py:mod}`tsniqa.book` module", "the tsniqa.book module"),
        ("[lesson 1](lesson-a.ipynb) and [a](https://x.org)", "lesson 1 and [a](https://x.org)"),
        (":::{admonition} Aims\n:class: tip\n- one\n:::", "**Aims**\n\n- one\n\n"),
        (":::{note}\nWords.\n:::\nMore.", "\n\nWords.\n\n\nMore."),
        ("$a$ and `b` stay", "$a$ and `b` stay"),
        ("```python\nx = 1\n```", "```python\nx = 1\n```"),
    ],
)
def test_what_only_the_book_understands_becomes_plain_text(text, shown):
    assert plain(text) == shown


def test_an_answer_can_be_unfolded_where_it_stands():
    found = plain("1. Why?\n\n   :::{dropdown} Answer\n   So.\n   :::")
    assert found == (
        '1. Why?\n\n   <details name="answer"><summary>Answer</summary>\n\n   So.\n\n   </details>'
    )


def test_a_deck_shows_results_without_the_code_that_draws_them_and_no_answers():
    def cell(source, *tags, slide="-"):
        meta = {"tags": list(tags), "slideshow": {"slide_type": slide}}
        return new_code_cell(
            source, metadata=meta, outputs=[new_output("stream", text=f"<{source}")]
        )

    lesson = new_notebook(
        cells=[
            new_markdown_cell(
                "# A title\n\nWords.", metadata={"slideshow": {"slide_type": "slide"}}
            ),
            cell("shown", slide="slide"),
            cell("drawn", "hide-input"),
            cell("solved", "solution", "hide-cell"),
        ]
    )
    html = deck(lesson)
    assert "<title>A title slides</title>" in html
    text = re.sub(r"<(?!/?section)[^>]*>", "", html.partition('<div class="slides">')[2])
    assert "shown" in text and "&lt;shown" in text
    assert "&lt;drawn" in text and text.count("drawn") == 1
    assert "solved" not in text
    assert not re.search(r"(src|href)=\"?https?:|from 'http", html)

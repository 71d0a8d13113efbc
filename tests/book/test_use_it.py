"""The page "Use it": all of its commands and Python run, in order, and say what it shows."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from photographs import write_photographs, write_ratings
from tsniqa.cli import app

PAGE = Path(__file__).parents[2] / "book" / "use-it.md"
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S)
INSTALLATION = "pip install"  # test_installed.py installs
TABLE = "image,mos"  # shown of a file, not printed


def commands():
    lines = [line for kind, text in BLOCKS if kind == "bash" for line in text.splitlines()]
    return [line for line in lines if not line.startswith(("#", INSTALLATION))]


def pattern(shown):
    """Return what matches a shown output: any number for a number, anything for three points."""
    loose = {"...": ".*"}
    parts = re.split(r"(\.{3}|\b[0-9a-f]{12}\b|-?\d+(?:\.\d+)?)", shown.strip())
    for place, part in enumerate(parts):
        kind = r"[0-9a-f]{12}" if len(part) == 12 else r"-?\d+(?:\.\d+)?"
        parts[place] = loose.get(part, kind) if place % 2 else re.escape(part)
    return "".join(parts)


def test_an_output_matches_with_other_numbers_and_not_with_other_words():
    shown = "a.jpg,-0.5\n  my-set: 0123456789ab\n...\nend (2 tasks)"
    other = "a.jpg,1.25\n  my-set: ba9876543210\nmore\nend (3 tasks)"
    assert re.fullmatch(pattern(shown), other, re.S)
    assert not re.fullmatch(pattern(shown), other.replace("tasks", "sets"), re.S)


def test_the_page_is_short_and_shows_commands_of_every_kind():
    assert len(PAGE.read_text(encoding="utf-8").split()) <= 1100
    told = {tuple(word for word in line.split()[1:3] if word.isalpha())[:2] for line in commands()}
    assert {one[0] for one in told} >= {"score", "learn", "model", "report", "data"}


@pytest.mark.parametrize("line", commands())
def test_every_command_has_the_options_that_the_page_gives(line, monkeypatch):
    program, *given = shlex.split(line)
    assert program == "tsniqa"
    command = typer.main.get_command(app)
    while hasattr(command, "commands"):
        command = command.commands[given.pop(0)]
    known = {name for parameter in command.params for name in parameter.opts}
    assert {word for word in given if word.startswith("--")} <= known


@pytest.mark.slow
def test_every_block_runs_in_order_and_prints_what_the_page_shows(tmp_path):
    programs, here = tmp_path / "bin", tmp_path / "here"
    programs.mkdir()
    here.mkdir()
    (programs / "tsniqa").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tsniqa "$@"\n')
    (programs / "tsniqa").chmod(0o755)
    places = ("harbour.jpg", "kitchen.jpg", "beach/dusk.png", "beach/noon.png")
    write_photographs(here / "photos", list(places))
    write_ratings(here / "my-ratings")
    write_ratings(here / "phones", first=500)
    own = {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "TSNIQA_CACHE": str(tmp_path / "cache"),
        "OMP_NUM_THREADS": "1",
    }
    printed = ""
    for kind, text in BLOCKS:
        if kind == "text":
            if not text.startswith(TABLE):
                assert re.fullmatch(pattern(text), printed.strip(), re.S), printed
            continue
        if INSTALLATION in text:
            continue
        how = ["bash", "-e", "-c"] if kind == "bash" else [sys.executable, "-c"]
        done = subprocess.run(
            [*how, text], cwd=here, env=os.environ | own, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
        printed = done.stdout
    first = (here / "my-ratings" / "labels.csv").read_text().splitlines()[:2]
    assert f"{TABLE}\n{first[1]}\n" in PAGE.read_text(encoding="utf-8"), "the table that is shown"
    made = {path.relative_to(here).as_posix() for path in here.iterdir()}
    made |= {f"models/{path.name}" for path in (here / "models").iterdir()}
    assert made >= {"scores.csv", "ratings.html", "both-report.html", "models/merged"}

"""The command line as real processes that are killed at a chosen moment, and what they leave.

Processes are forked from a server that has imported torch once, so that a kill costs no start.
"""

import json
import multiprocessing
import os
import resource
import shutil
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tsniqa.paths import code_digest

HEAVY = [
    "tsniqa.cli", "tsniqa.study.runner", "tsniqa.study.learning", "tsniqa.scoring.stream",
    "tsniqa.book.pages", "tsniqa.strategies", "torchvision.transforms.v2", "sklearn.cluster",
    "torch._dynamo",
]  # fmt: skip
context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(HEAVY)

BESIDE = ("os.", "shutil.", "fcntl.")  # audit events of the file system, beside "open"


def tsniqa(arguments, place, code, life, report, kill_at, largest_file):
    """Be the command in a folder, and die when the file system below is asked the nth time."""
    asked = 0

    def watch(event, values):
        nonlocal asked
        if (event == "open" or event.startswith(BESIDE)) and values:
            path = values[0] if isinstance(values[0], str | bytes | Path) else ""
            # Of the cache, whose thousands of small files would leave few moments to the rest, only
            # the clock's kills know.
            if f"{os.fsdecode(path)}/".startswith(place) and "/cache/" not in os.fsdecode(path):
                asked += 1
                if asked == kill_at:
                    os.kill(os.getpid(), signal.SIGKILL)

    for stream in (1, 2):
        os.dup2(report.fileno(), stream)
    sys.stdout, sys.stderr = (os.fdopen(stream, "w", encoding="utf-8") for stream in (1, 2))
    os.environ["TSNIQA_CACHE"] = f"{place}/cache"
    os.chdir(place)
    from tsniqa import cli
    from tsniqa.study import runner

    runner.code_digest = lambda: code  # of the same code, and computed once for all
    if largest_file is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
    sys.addaudithook(watch)
    sys.argv = ["tsniqa", *arguments]
    start = time.perf_counter()
    try:
        cli.main()
    finally:
        sys.stdout.flush()
        life[:] = asked, time.perf_counter() - start


@dataclass
class Child:
    """A started command."""

    arguments: list[str]
    place: Path
    kill_at: int | None = None
    largest_file: int | None = None

    def __post_init__(self):
        self.life = context.Array("d", 2)  # questions to the file system, and seconds
        self.output, report = context.Pipe(duplex=False)
        values = self.arguments, str(self.place), code_digest(), self.life, report
        limits = self.kill_at, self.largest_file
        self.process = context.Process(target=tsniqa, args=(*values, *limits))
        self.process.start()
        report.close()

    def end(self, within=None):
        """Wait, for so many seconds at most before a kill, and return the exit code."""
        self.process.join(within)
        self.process.kill()
        self.process.join()
        said = b""
        while part := os.read(self.output.fileno(), 1 << 16):
            said += part
        self.said = said.decode("utf-8", "surrogateescape")
        return self.process.exitcode


def left(place):
    """Return what lies in a folder: contents but for times and commits, of the cache only names."""
    found = {}
    for path in sorted(place.rglob("*")):
        name = path.relative_to(place).as_posix()
        found[name] = None
        if path.name == "record.json":
            record = json.loads(path.read_text())
            found[name] = {key: record[key] for key in record if key not in ("timings", "commit")}
        elif path.is_file() and not name.startswith("cache/"):
            found[name] = path.read_bytes()
    return found


@dataclass
class Job:
    """A command that is started anew until it is done, and what must then be there."""

    arguments: list[str]
    folder: Path  #: for the places it works in
    prepare: Callable[[Path], object] = Path.mkdir  #: makes a place
    check: Callable[[Path], object] = lambda place: None  #: looks at a place after every kill
    done: str = ""  #: what a start may say that finds everything done
    places: int = field(default=0, init=False)

    def __post_init__(self):
        place = self.new()
        before = left(place)
        child = Child(self.arguments, place)
        assert child.end() == 0, child.said
        self.events, self.seconds = child.life
        self.whole = left(place)
        assert not [name for name in self.whole if "partial" in name]
        made = (own for name, own in self.whole.items() if before.get(name) != own)
        self.sizes = sorted(len(own) for own in made if isinstance(own, bytes) and own)

    def new(self, warm=False):
        """Make a place; a warm one has decoded images from the start."""
        self.places += 1
        place = self.folder / f"place-{self.places}"
        self.prepare(place)
        if warm and (self.folder / "place-1" / "cache" / "decoded").exists():
            shutil.copytree(self.folder / "place-1" / "cache", place / "cache")
        return place

    def finish(self, place):
        """Start it undisturbed, and compare what lies there in the end."""
        child = Child(self.arguments, place)
        self.compare(place, child, child.end())

    def compare(self, place, child, code):
        assert code == 0 or (code == 2 and self.done and self.done in child.said), child.said
        found = left(place)
        assert sorted(found) == sorted(self.whole)
        assert [name for name in found if found[name] != self.whole[name]] == []
        shutil.rmtree(place)

    def storm(self, kills, seed=0):
        """Kill it so often, at moments all over its life, by the file system and by the clock."""
        random, place, killed = np.random.default_rng(seed), self.new(), 0
        while killed < kills:
            by_clock = random.random() < 0.3
            event = int(random.integers(1, self.events + 1))
            seconds = random.uniform(0, self.seconds)
            child = Child(self.arguments, place, None if by_clock else event)
            code = child.end(seconds if by_clock else None)
            if code == -signal.SIGKILL:
                killed += 1
                self.check(place)
            else:
                self.compare(place, child, code)
                place = self.new(warm=True)
        self.finish(place)

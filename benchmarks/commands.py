"""The command line as a user meets it: how long it takes to start, and its memory."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from made_up import pictures
from PIL import Image

SMALL, PHOTOS, SOURCES = (200, 2000), (128, 96), 20


def measure() -> dict[str, float]:
    """Measure `tsniqa score` on few and many small photographs, and what starts are."""
    found: dict[str, float] = {}
    python = [sys.executable, "-c"]
    for name, command in {
        "import tsniqa, s": [*python, "import tsniqa"],
        "tsniqa --help, s": [sys.executable, "-m", "tsniqa", "--help"],
    }.items():
        found[name] = min(child(command)[0] for _ in range(3))
    with tempfile.TemporaryDirectory() as folder:
        for count in SMALL:
            photos = Path(folder) / str(count)
            draw(photos, count)
            command = [sys.executable, "-m", "tsniqa", "score", str(photos)]
            total, first, peak = child([*command, "--format", "csv"])
            found[f"{count} photos, peak MB"] = peak
            found[f"{count} photos, first score after s"] = first
            found[f"{count} photos, images a second"] = (count - 1) / (total - first)
    small, many = (found[f"{count} photos, peak MB"] for count in SMALL)
    return found | {"more memory, MB": many - small, "photos": "x".join(map(str, PHOTOS))}


def draw(folder: Path, count: int) -> None:
    """Write photographs, links to a few."""
    folder.mkdir()
    for number in range(count):
        path = folder / f"{number:05}.jpg"
        if number < SOURCES:
            pixels = pictures(number, 1, max(PHOTOS), 1)[0].permute(1, 2, 0).numpy()
            Image.fromarray(pixels[: PHOTOS[1]]).save(path, quality=95)
        else:
            os.link(folder / f"{number % SOURCES:05}.jpg", path)


def child(command: list[str]) -> tuple[float, float, float]:
    """Run a command: its seconds, those until its second line, and its largest memory in MB.

    The memory is read when a line comes, as a process's own: what the system counts for a child
    begins with that of its parent.
    """
    start, first, peak = time.perf_counter(), float("nan"), 0.0
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    for number, _ in enumerate(process.stdout):
        if number == 1:
            first = time.perf_counter() - start
        status = Path(f"/proc/{process.pid}/status")
        for line in status.read_text().splitlines() if status.is_file() else ():
            if line.startswith("VmHWM"):
                peak = max(peak, int(line.split()[1]) / 1024)
    if process.wait():
        raise RuntimeError(f"{' '.join(command)} failed")
    return time.perf_counter() - start, first, peak

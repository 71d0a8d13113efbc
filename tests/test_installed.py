"""The built wheel, installed into an empty folder and used far from the checkout.

The package alone is installed anew; what it depends on is that of the tests' own environment, as an
empty one would take several gigabytes and most of an hour.
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from photographs import write_photographs, write_ratings

CHECKOUT = Path(__file__).parents[1]
NO_INDEX = ("No matching distribution", "Connection", "Could not find a version", "Temporary fail")

# Runs the installed command and tells if a file of the checkout is read on the way.
COMMAND = """
import os, sys
installed, checkout, *arguments = sys.argv[1:]
own = os.path.realpath(sys.prefix) + os.sep, os.path.join(checkout, ".venv") + os.sep
inside = lambda path: path.startswith(checkout + os.sep) and not path.startswith(own)
sys.path[:] = [installed, *(p for p in sys.path if not inside(os.path.realpath(p) + os.sep))]
def watch(event, values):
    if event in ("open", "os.listdir", "os.scandir") and isinstance(values[0], str):
        if inside(os.path.realpath(values[0])):
            raise SystemExit(f"{values[0]} of the checkout is read")
sys.addaudithook(watch)
import tsniqa.cli
assert tsniqa.__file__.startswith(installed), tsniqa.__file__
sys.argv = ["tsniqa", *arguments]
tsniqa.cli.main()
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Build the wheel and install it; return the folder."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    alone = ["--no-build-isolation"] if importlib.util.find_spec("hatchling") else []
    build = [*pip, "wheel", "--no-deps", *alone, "--wheel-dir", str(folder), str(CHECKOUT)]
    built = subprocess.run(build, capture_output=True, text=True)
    if built.returncode and any(reason in built.stderr for reason in NO_INDEX):
        pytest.skip(
            "the wheel cannot be built: hatchling is not installed, and no index is at hand"
        )
    assert built.returncode == 0, built.stderr
    (wheel,) = folder.glob("tsniqa-*.whl")
    put = [*pip, "install", "--no-deps", "--no-compile", "--target", str(folder / "site"), wheel]
    subprocess.run(put, check=True)
    return folder / "site"


def contents(folder):
    return {path: path.stat().st_mtime_ns for path in sorted(folder.rglob("*"))}


@pytest.mark.slow
def test_the_wheel_is_enough_to_score_learn_report_and_run(installed, tmp_path):
    write_photographs(tmp_path / "photos", ["harbour.jpg"])
    write_ratings(tmp_path / "my-ratings")
    before = contents(installed)

    def tsniqa(*arguments):
        isolated = [sys.executable, "-I", "-B", "-c", COMMAND, str(installed), str(CHECKOUT)]
        done = subprocess.run(
            [*isolated, *arguments], cwd=tmp_path, capture_output=True, text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert tsniqa("--version").startswith("0.")
    tsniqa("score", "photos/harbour.jpg", "--out", "scores.csv")
    scores = pd.read_csv(tmp_path / "scores.csv")
    assert scores["image"].tolist() == ["photos/harbour.jpg"]
    assert scores["score"].notna().all()
    assert "model: " in tsniqa("learn", "my-ratings", "--preset", "smoke", "--folds", "0")
    assert "models/my-ratings" in tsniqa("model", "verify", "models/my-ratings")
    assert "kB" in tsniqa("report", "models/my-ratings")
    assert "smoke-" in tsniqa("run", "--preset", "smoke")
    assert list((tmp_path / ".runs" / "records").glob("smoke-*/record.json"))
    assert contents(installed) == before, "nothing is written beside the package"

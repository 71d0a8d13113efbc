"""The paper's preset, end to end, on six small imitations in the official layouts."""

import json
from pathlib import Path

import numpy as np
import papermill
import pytest
from typer.testing import CliRunner

from official import bid, csiq, kadid_10k, koniq_10k, live, live_challenge
from tsniqa.cli import app
from tsniqa.study.comparison import comparison_table
from tsniqa.study.config import load_preset
from tsniqa.study.evaluation import summary
from tsniqa.study.results import find_experiment

PAPER = ("live", "csiq", "bid", "live-challenge", "koniq-10k", "kadid-10k")

REDUCED = {
    "gate.n_clusters": 4,
    "gate.n_init": 2,
    "schedule.head.epochs": 1,
    "schedule.head.batch": 8,
    "schedule.head.crop": 32,
    "schedule.normalization.epochs": 2,
    "schedule.normalization.batch": 8,
    "schedule.normalization.crop": 32,
    "schedule.full.epochs": 1,
    "schedule.full.batch": 8,
    "schedule.full.crop": 32,
    **{f"schedule.{step}.pairs": 24 for step in ("head", "normalization", "full")},
}


@pytest.fixture(scope="module")
def six(tmp_path_factory):
    """Write the six datasets under the names that their archives unpack to."""
    root = tmp_path_factory.mktemp("six")
    live.write(root / "databaserelease2")
    csiq.write(root / "CSIQ")
    bid.write(root / "BID")
    live_challenge.write(root / "ChallengeDB_release")
    koniq_10k.write(root / "koniq10k")
    kadid_10k.write(root / "kadid10k")
    return root


@pytest.fixture(scope="module")
def command(six, card, tmp_path_factory):
    """Run the command line's ``run`` on the six with small networks and few epochs."""
    folder = tmp_path_factory.mktemp("paper")
    path = card(folder)
    changes = [f"--set={key}={value}" for key, value in REDUCED.items()]

    def run(*arguments):
        fixed = ["run", "--no-page", "--preset", "paper", "--device", "cpu"]
        fixed += ["--data-root", str(six), "--results-dir", str(folder / "records")]
        fixed += ["--backbone", str(path)]
        return CliRunner().invoke(app, [*fixed, *changes, *arguments])

    run.records = folder / "records"
    return run


def test_the_preset_is_the_papers_protocol():
    preset = load_preset("paper")
    head, normalization = preset.schedule.head, preset.schedule.normalization
    assert (head.epochs, head.batch, head.learning_rate) == (4, 128, 2e-4)
    assert (normalization.epochs, normalization.batch, normalization.crop) == (8, 32, 384)
    # Divided by 10 every four epochs counted from step one.
    assert (normalization.learning_rate, normalization.decay_every) == (2e-5, 4)
    assert (head.bn_statistics, normalization.bn_statistics) == ("kept", "first-epoch")
    assert all(dict(preset.schedule.released).values())
    assert [normalization.pairs_of(task) for task in PAPER[:5]] == [7000, 8000, 10000, 20000, 95000]
    assert (preset.backbone, preset.shorter_side, preset.tasks) == ("resnet18", 768, PAPER)


@pytest.mark.slow
def test_runs_end_to_end_on_the_six_official_layouts(command, tmp_path):
    for strategy in ("tsn", "sequential"):
        result = command("--strategy", strategy, "--split", "0")
        assert result.exit_code == 0, result.output
    for path in command.records.glob("*/record.json"):
        # Pages leave out records of changed presets, such as these; as whole runs they are shown.
        record = json.loads(path.read_text())
        record["config"]["overrides"] = {}
        path.write_text(json.dumps(record))
    runs = find_experiment(command.records, "paper", [0], ["0"])
    record = runs["tsn"][0]
    assert tuple(record.order) == PAPER
    assert summary(record, "oracle")["mSI"] == 1.0
    # Human-rated as they are said to be, their ratings stay out of the record.
    assert record.mos is None
    assert record.draws.shape[1:] == (6, 1000)
    assert record.test_images["live"][0].endswith(".bmp")
    # What the comparison pages read.
    table = comparison_table(runs)
    assert {"tsn gated", "tsn oracle", "sequential"} <= set(table.index)
    assert np.isfinite(table.loc["tsn gated", list(PAPER)].to_numpy(dtype=float)).all()
    # The page itself, on these records.
    page = papermill.execute_notebook(
        Path(__file__).parents[1] / "notebooks" / "06_human_rated.ipynb",
        tmp_path / "page.ipynb",
        parameters={
            "presets": ["paper"],
            "splits": ["0"],
            "task": "live",
            "published_dir": str(command.records),
        },
        kernel_name="python3",
        progress_bar=False,
    )
    shown = json.dumps([cell.get("outputs", []) for cell in page.cells])
    assert "kadid-10k" in shown
    assert "share of the gap" in shown


@pytest.mark.slow
def test_a_broken_image_of_the_last_task_is_found_before_the_first_epoch(command, six):
    broken = next((six / "kadid10k" / "images").glob("I*_*_05.png"))
    original = broken.read_bytes()
    broken.write_bytes(original[:80])
    try:
        result = command("--strategy", "head-only", "--split", "0")
    finally:
        broken.write_bytes(original)
    assert result.exit_code != 0
    assert broken.name in str(result.exception)
    assert not list(command.records.glob("*head-only*"))

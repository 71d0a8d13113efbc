"""The model that is shipped: small, told apart from code, and good on photographs it never saw."""

import os
import re
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from tsniqa.data import load_task
from tsniqa.model.tsniqa import TSNIQA
from tsniqa.paths import project_root, resolve, shipped
from tsniqa.synthetic.benchmark import MINI_TASKS

FOLDER = shipped("models") / "photographs"
PHOTOGRAPHS = "live-challenge"
DATA = os.environ.get("TSNIQA_DATA")  # a folder of datasets with live-challenge in it


@pytest.fixture(scope="module")
def model():
    return TSNIQA.load("photographs")


def test_it_is_small_and_knows_photographs_and_the_drawn_tasks(model):
    assert model.tasks == sorted([PHOTOGRAPHS, *MINI_TASKS])
    assert model.readout == "calibrated"
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 1_000_000
    about = model.profiles[PHOTOGRAPHS]
    assert not about.simulated
    assert about.srcc > 0.6
    assert "Ghadiyaram" in about.citation
    assert "distribution" in about.licence
    assert all(model.profiles[task].simulated for task in MINI_TASKS)


def test_the_notice_that_its_photographs_ask_for_is_beside_it():
    notice = (FOLDER.parent / "README.md").read_text(encoding="utf-8")
    assert "copyright the University of Texas at Austin" in notice
    assert "Massive online crowdsourced study" in notice


def test_noise_is_worse_than_none(model):
    """Little noise and much are scored lower, on a drawn photograph of no task of its."""
    drawn = load_task("mini-clive", resolve("data/raw"), seed=77)
    random = np.random.default_rng(0)
    noise = random.normal(size=(3, 96, 96))
    from tsniqa.pixels import as_images

    image = next(as_images(drawn.paths("test")[0])).numpy() / 255
    worse = [np.clip(image + level * noise, 0, 1).astype("float32") for level in (0, 0.1, 0.3)]
    scores = model.predict([level.transpose(1, 2, 0) for level in worse])
    assert max(scores[1:]) < scores[0]


@pytest.mark.slow
@pytest.mark.skipif(not DATA, reason="TSNIQA_DATA names no folder with live-challenge")
def test_photographs_it_never_saw_are_ranked_as_people_do(model):
    task = load_task(PHOTOGRAPHS, Path(DATA), seed=0, split="0")
    table = model.explain(task.paths("test"))
    mos = task.mos("test")
    found = spearmanr(table["score"], mos).statistic
    assert found >= spearmanr(table[f"head {PHOTOGRAPHS}"], mos).statistic - 0.01
    page = (project_root() / "book" / "use-it.md").read_text(encoding="utf-8")
    told = re.search(
        r"On (\d+) others of that set its rank correlation with opinions is ([\d.]+)", page
    )
    assert told.groups() == (str(len(mos)), f"{found:.3f}")

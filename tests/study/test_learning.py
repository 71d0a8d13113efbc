"""Learning a dataset as the next task: what a run learns, for a model that knows others."""

import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from tsniqa import metrics
from tsniqa.errors import ConfigError
from tsniqa.model.tsniqa import TSNIQA
from tsniqa.study.learning import Judged, Learner, all_but_validation, folded, put_task


@pytest.fixture
def learner(world):
    return Learner(world.plan().context)


def test_a_task_is_learned_as_in_a_run_bit_for_bit(learner, world, finished):
    model, history = learner.learn(world.task("gamma"))
    wanted = TSNIQA.load(finished("tsn").folder / "model")
    learned, known = model.state(), wanted.state()
    assert all(torch.equal(learned[name], known[name]) for name in learned)
    assert model.profiles["gamma"] == wanted.profiles["gamma"]
    assert history[-1].step == "images"


def test_folds_hold_out_every_image_once_and_no_content_is_on_both_sides(world):
    task = world.task("alpha")
    references = [f"scene {i // 4}" for i in range(32)]
    task = replace(task, table=task.table.assign(reference=references))
    parts = [fold.table.set_index("image")["split"] for fold in folded(task, 3)]
    held = pd.concat(parts, axis=1).eq("val").sum(axis=1)
    assert (held == 1).all()
    for fold in folded(task, 3):
        assert fold.table.groupby("reference")["split"].nunique().max() == 1
        assert set(fold.table["split"]) == {"train", "val"}
    with pytest.raises(ConfigError, match="shows 8 contents, too few for 9 folds"):
        list(folded(task, 9))


def test_two_copies_of_an_image_are_in_one_fold(world, tmp_path):
    task = world.task("alpha")
    for name in ("one.png", "two.png"):
        shutil.copy(task.paths("train")[0], tmp_path / name)
    for image in task.table["image"]:
        (tmp_path / image).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(task.root / image, tmp_path / image)
    table = task.table.copy()
    table.loc[[2, 9], "image"] = ["one.png", "two.png"]
    task = replace(task, root=tmp_path, table=table)
    for fold in folded(task, 4):
        assert fold.table.loc[[2, 9], "split"].nunique() == 1


def test_every_fold_is_judged_by_images_it_has_not_learned_from(learner, world, monkeypatch):
    task, learned, told = world.task("alpha"), [], []
    original = Learner.learn
    monkeypatch.setattr(
        Learner, "learn", lambda self, one: learned.append(one) or original(self, one)
    )
    found = learner.cross_validate(task, 2, lambda *facts: told.append(facts))
    assert [number for number, _, _ in told] == [1, 2]
    assert len(found.scores) == len(task.table)
    for fold, (_, judged, _) in zip(learned, told, strict=True):
        assert judged.mos.tolist() == fold.mos("val").tolist()
        assert not set(fold.part("train")["image"]) & set(fold.part("val")["image"])


def test_all_images_but_the_validation_part_are_learned_from(world):
    task = world.task("alpha")
    counts = all_but_validation(task).table["split"].value_counts().to_dict()
    assert counts == {"train": 22, "val": 10}


def test_the_interval_draws_contents():
    random = np.random.default_rng(0)
    mos = random.normal(size=60)
    scores = mos + random.normal(size=60)
    apart = Judged(scores, mos, np.arange(60).astype(str)).srcc()
    grouped = Judged(scores, mos, (np.arange(60) // 12).astype(str)).srcc()
    assert apart[0] == grouped[0] == metrics.srcc(scores, mos)
    assert apart[1] < apart[0] < apart[2]
    assert grouped[1:] != apart[1:]


def test_what_another_process_has_put_there_meanwhile_is_kept(learner, world, tmp_path):
    folder = tmp_path / "model"
    for name in ("gamma", "alpha"):
        model, _ = learner.learn(world.task(name))
        put_task(folder, model, name)
    assert TSNIQA.load(folder).tasks == ["alpha", "gamma"]
    with pytest.raises(ConfigError, match="a task cannot be called"):
        put_task(folder, model, "../alpha")


def test_a_model_of_another_strategy_takes_no_task(finished, world):
    model = TSNIQA.load(finished("separate").folder / "model")
    with pytest.raises(ConfigError, match="was not learned by 'tsn'; name one that was"):
        Learner.of(world.plan().preset, 0, "cpu", model)

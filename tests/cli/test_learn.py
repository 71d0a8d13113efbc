"""`tsniqa learn` and `tsniqa model`: models that grow, and are taken apart."""

import shutil

import pandas as pd
import pytest
import torch

from tsniqa.model.tsniqa import TSNIQA
from tsniqa.paths import shipped


@pytest.fixture(scope="module")
def record(world, tmp_path_factory):
    return world.run(tmp_path_factory.mktemp("saved") / "records", order=("alpha", "beta")).folder


@pytest.fixture
def model(record, tmp_path):
    return shutil.copytree(record / "model", tmp_path / "model")


def test_a_model_gets_one_task_more_and_keeps_the_others_bitwise(tsniqa, world, model, tmp_path):
    before = TSNIQA.load(model).state()
    data, out = world.data_root / "gamma", tmp_path / "out"
    code, said, _ = tsniqa("learn", data, "--model", model, "--out", out, "--preset", "smoke")
    lines = said.splitlines()
    assert code == 0
    assert lines[0] == "gamma: 32 images, 32 contents"
    assert lines[1].startswith("test SRCC ")
    assert lines[2].startswith("learned from 16 images in ")
    assert [line.split(": ")[0] for line in lines[3:6]] == ["  alpha", "  beta", "  gamma"]
    assert [line.endswith("as before") for line in lines[3:6]] == [True, True, False]
    assert lines[6].startswith(f"model: {out} (3 tasks, ")
    after = TSNIQA.load(out)
    kept = after.state()
    assert (after.tasks, after.readout) == (["alpha", "beta", "gamma"], "calibrated")
    assert all(torch.equal(value, kept[name]) for name, value in before.items())
    assert after.profiles["gamma"].citation == "made for tests: both"


def test_a_table_without_a_split_is_cross_validated_and_learned_in_place(
    tsniqa, world, model, tmp_path
):
    data = shutil.copytree(world.data_root / "gamma", tmp_path / "mine")
    table = pd.read_csv(data / "labels.csv").drop(columns="split")
    (data / "labels.csv").unlink()
    table.to_csv(data / "ratings.csv", index=False)
    options = ["--name", "own", "--model", model, "--preset", "smoke", "--folds", "2"]
    code, said, _ = tsniqa("learn", data / "ratings.csv", *options)
    assert code == 0
    assert [line.split(" ")[0] for line in said.splitlines()[:4]] == [
        "own:",
        "fold",
        "fold",
        "cross-validated",
    ]
    assert "learned from 29 images" in said
    assert TSNIQA.load(model).tasks == ["alpha", "beta", "own"]
    code, _, error = tsniqa("learn", data / "ratings.csv", *options)
    assert (code, error.count("\n")) == (2, 1)
    assert "knows a task 'own' already; use --name" in error


def test_a_model_is_begun_with_a_preset(tsniqa, world, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, said, _ = tsniqa("learn", world.data_root / "alpha", "--preset", "smoke")
    assert code == 0
    assert f"model: {tmp_path / 'models' / 'alpha'} (1 task, " in said
    made = TSNIQA.load(tmp_path / "models" / "alpha")
    assert (made.tasks, made.backbone.card.name) == (["alpha"], "efficientnet-lite0")


def test_what_cannot_be_is_refused_before_anything_is_learned(
    tsniqa, world, record, model, tmp_path
):
    alpha = world.data_root / "alpha"
    partly = shutil.copytree(alpha, tmp_path / "partly")
    table = pd.read_csv(partly / "labels.csv")
    table.loc[3, "split"] = None
    table.to_csv(partly / "labels.csv", index=False)
    for arguments, message in (
        ((alpha, "--model", record / "model", "--name", "x"), "is part of a run's record"),
        ((alpha, "--model", model), "knows a task 'alpha' already"),
        ((alpha, "--out", tmp_path), "exists already; name it as --model, or give --out a new"),
        ((alpha, "--name", "a/b"), "a task cannot be called 'a/b'"),
        ((tmp_path,), "holds 0 datasets; name a folder with images and a labels.csv"),
        ((tmp_path / "none",), "none; name a folder with images and a labels.csv"),
        ((alpha, "--preset", "smok"), "did you mean 'smoke'?"),
        ((alpha, "--name", "x" * 200), "a task's name has 100 bytes at most"),
        ((alpha, "--folds", "1"), "one fold leaves nothing to learn from"),
        ((partly, "--name", "y"), "1 of 32 images have no split, image '"),
    ):
        code, out, error = tsniqa("learn", *arguments)
        assert (code, out, error.count("\n")) == (2, "", 1)
        assert message in error


def test_a_task_is_learned_on_top_of_the_shipped_model_which_stays_as_it_is(
    tsniqa, world, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    alpha = world.data_root / "alpha"
    code, said, _ = tsniqa("learn", alpha, "--model", "photographs", "--preset", "smoke")
    assert code == 0
    assert "  live-challenge: " in said
    assert " as before\n" in said
    before, after = TSNIQA.load("photographs"), TSNIQA.load(tmp_path / "models" / "alpha")
    assert after.tasks == sorted([*before.tasks, "alpha"])
    for arguments, message in (
        (("learn", alpha, "--out", shipped("models") / "photographs"), "is shipped and stays"),
        (("model", "forget", "photographs", "mini-bid"), "is shipped; copy the folder"),
    ):
        code, _, error = tsniqa(*arguments)
        assert (code, error.count("\n")) == (2, 1)
        assert message in error


def test_a_model_is_shown_verified_renamed_and_forgets(tsniqa, model, record):
    code, said, _ = tsniqa("model", "show", model)
    assert code == 0
    assert "learned from 16 images with simulated opinions" in said
    assert "cite: made for tests: blur; licence: none" in said
    code, said, _ = tsniqa("model", "verify", model)
    assert (code, said.count("\n")) == (0, 3)
    assert tsniqa("model", "rename", model, "alpha", "first")[0] == 0
    assert tsniqa("model", "forget", model, "beta")[0] == 0
    assert TSNIQA.load(model).tasks == ["first"]
    for arguments, message in (
        (("forget", model, "first"), "is the model's only task; remove the folder"),
        (("forget", model, "frist"), "did you mean 'first'?"),
        (("rename", record / "model", "alpha", "x"), "is part of a run's record; copy the folder"),
    ):
        code, _, error = tsniqa("model", *arguments)
        assert (code, error.count("\n")) == (2, 1)
        assert message in error
    (path,) = model.glob("heads.*")
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    code, _, error = tsniqa("model", "verify", model)
    assert code == 2
    assert "is not the file that was saved" in error


def test_models_are_merged_and_never_over_each_other(tsniqa, model, tmp_path):
    other, out = shutil.copytree(model, tmp_path / "other"), tmp_path / "out"
    code, _, error = tsniqa("model", "merge", model, other, "--out", out)
    assert code == 2
    assert "both models know alpha, beta; rename one" in error
    tsniqa("model", "forget", model, "beta")
    tsniqa("model", "forget", other, "alpha")
    code, said, _ = tsniqa("model", "merge", model, other, "--out", out)
    assert (code, said) == (0, f"model: {out} (2 tasks: alpha, beta)\n")
    code, _, error = tsniqa("model", "merge", model, other, "--out", out)
    assert code == 2
    assert "exists already; give --out a new folder" in error

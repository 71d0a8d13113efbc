"""Commands that are killed at any moment, meet a full disk or each other: nothing is lost."""

import os
import shutil
from functools import partial

import numpy as np
import pytest
from PIL import Image

from killing import Child, Job, left
from tsniqa.model.editing import forget_task
from tsniqa.model.tsniqa import TSNIQA


@pytest.fixture(scope="module")
def model(world, tmp_path_factory):
    record = world.run(tmp_path_factory.mktemp("kills") / "records", order=("alpha", "beta"))
    return record.folder / "model"


@pytest.fixture(scope="module")
def study(world, tmp_path_factory):
    fast = {"schedule.head.epochs": 1, "schedule.head.weight_decay": 0.001}
    changes = [f"--set={name}={value}" for name, value in (world.overrides | fast).items()]
    options = ["--preset", "smoke", "--backbone", str(world.card), "--order", "alpha,beta,gamma"]
    places = ["--data-root", str(world.data_root), "--results-dir", "records"]
    return Job(["run", *options, *places, *changes], tmp_path_factory.mktemp("study"))


def knows(tasks, place):
    """Load the model in a place, if there is one; it is the old one or the new one."""
    if (place / "model" / "model.json").exists():
        found = TSNIQA.load(place / "model").tasks
        assert found in (tasks, [*tasks, "gamma"])


def with_model(model, place):
    place.mkdir()
    shutil.copytree(model, place / "model")


@pytest.fixture(scope="module")
def learning(world, model, tmp_path_factory):
    return Job(
        ["learn", str(world.data_root / "gamma"), "--model", "model", "--preset", "smoke"],
        tmp_path_factory.mktemp("learning"),
        partial(with_model, model),
        partial(knows, ["alpha", "beta"]),
        "knows a task 'gamma' already",
    )


@pytest.fixture(scope="module")
def beginning(world, model, tmp_path_factory):
    options = ["--model", str(model), "--out", "model", "--preset", "smoke"]
    return Job(
        ["learn", str(world.data_root / "gamma"), *options],
        tmp_path_factory.mktemp("beginning"),
        check=partial(knows, ["alpha", "beta"]),
        done="model exists already",
    )


@pytest.fixture(scope="module")
def scoring(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("scoring")
    (folder / "photos").mkdir()
    random = np.random.default_rng(0)
    for number in range(24):
        size = (30 + number % 7, 40, 3)
        pixels = random.integers(0, 255, size, dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "photos" / f"{number:02d}.png")
    options = ["--model", str(model), "--out", "scores.csv", "--resume", "--explain"]
    job = Job(["score", "../photos", *options], folder)

    def whole_rows(place):
        """Rows that are there are those of the end."""
        if (place / "scores.csv").exists():
            assert job.whole["scores.csv"].startswith((place / "scores.csv").read_bytes())

    job.check = whole_rows
    return job


@pytest.mark.parametrize(("command", "kills"), [("study", 1), ("learning", 2), ("scoring", 2)])
def test_a_killed_command_goes_on_to_the_same_end(request, command, kills):
    request.getfixturevalue(command).storm(kills)


@pytest.mark.slow
@pytest.mark.parametrize("command", ["study", "learning", "beginning", "scoring"])
def test_a_command_that_is_killed_again_and_again_comes_to_the_same_end(request, command):
    request.getfixturevalue(command).storm(75, seed=1)


@pytest.mark.parametrize("command", ["study", "learning", "scoring"])
def test_a_full_disk_is_one_line_and_loses_nothing(request, command):
    """Files may not grow beyond a limit: none may grow, or the largest may not."""
    job = request.getfixturevalue(command)
    place = job.new(warm=True)
    for largest in (0, job.sizes[-1] - 1):
        child = Child(job.arguments, place, largest_file=largest)
        code = child.end()
        last = child.said.splitlines()[-1]
        assert (code, last[:7]) == (2, "tsniqa:"), child.said
        assert "Traceback" not in child.said
        assert "File too large" in last
        job.check(place)
    job.finish(place)


@pytest.mark.parametrize("command", ["study", "learning", "scoring"])
def test_a_folder_that_cannot_be_written_is_one_line_before_anything_is_computed(request, command):
    job = request.getfixturevalue(command)
    place = job.new(warm=True)
    folders = [place, *(path for path in place.iterdir() if path.name != "cache")]
    for folder in folders:
        folder.chmod(0o555)
    if os.access(place, os.W_OK):
        pytest.skip("root may write everywhere")
    child = Child(job.arguments, place)
    assert child.end() == 2
    assert child.said.count("\n") == 1, child.said
    assert "Permission denied" in child.said
    for folder in folders:
        folder.chmod(0o755)
    job.finish(place)


def test_two_runs_of_one_record_at_once_make_it_together(study):
    place = study.new(warm=True)
    both = [Child(study.arguments, place) for _ in range(2)]
    assert [child.end() for child in both] == [0, 0], [child.said for child in both]
    study.finish(place)


def test_two_tasks_learned_into_one_model_at_once_are_both_there(world, learning):
    place = learning.new(warm=True)
    other = [*learning.arguments, "--name", "delta"]
    both = [Child(arguments, place) for arguments in (learning.arguments, other)]
    assert [child.end() for child in both] == [0, 0], [child.said for child in both]
    made = TSNIQA.load(place / "model")
    assert made.tasks == ["alpha", "beta", "delta", "gamma"]
    forget_task(made, "delta")
    made.save(place / "model")
    found = left(place / "model")
    assert found == {name: learning.whole[f"model/{name}"] for name in found}

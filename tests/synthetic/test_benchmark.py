"""The six tasks: plans, bitwise reproducibility, layout on disk, atomic writing."""

import hashlib
import os
from collections import Counter

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image, ImageOps

from tsniqa.errors import ConfigError, DataError
from tsniqa.synthetic import benchmark
from tsniqa.synthetic.benchmark import (
    MINI_TASKS,
    RECIPE_VERSION,
    REFERENCE_TASKS,
    label,
    make_task,
    plan_task,
    render,
)
from tsniqa.synthetic.distortions import TASK_DISTORTIONS
from tsniqa.synthetic.observers import POPULATIONS
from tsniqa.synthetic.scenes import TASK_FAMILIES

names = pytest.mark.parametrize("name", MINI_TASKS)


def contents(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def small(monkeypatch):
    """Tasks of 30 images, for tests of what happens on disk."""
    monkeypatch.setattr(benchmark, "SPLITS", {"train": 10, "val": 10, "test": 10})


@names
def test_every_task_has_its_parts_and_no_reference_crosses_them(name):
    plans = plan_task(name, 0)
    assert Counter(plan.split for plan in plans) == {"train": 200, "val": 80, "test": 240}
    assert len({plan.image for plan in plans}) == len(plans)
    splits = {}
    for plan in plans:
        splits.setdefault(plan.reference, set()).add(plan.split)
        assert plan.family in TASK_FAMILIES[name]
        assert plan.distortion in TASK_DISTORTIONS[name]
        assert 1 <= plan.level <= 5
    assert all(len(parts) == 1 for parts in splits.values())


@pytest.mark.parametrize("name", REFERENCE_TASKS)
def test_reference_tasks_cover_distortions_and_levels_evenly(name):
    for split in ("train", "test"):
        counts = Counter(
            (plan.distortion, plan.level) for plan in plan_task(name, 0) if plan.split == split
        )
        assert len(counts) == 5 * len(TASK_DISTORTIONS[name])
        assert max(counts.values()) - min(counts.values()) <= 1
    assert len({plan.reference for plan in plan_task(name, 0)}) == 104


@pytest.mark.parametrize("name", sorted(set(MINI_TASKS) - set(REFERENCE_TASKS)))
def test_authentic_tasks_show_every_scene_once(name):
    plans = plan_task(name, 0)
    assert len({plan.reference for plan in plans}) == len(plans)
    assert {plan.distortion for plan in plans} == set(TASK_DISTORTIONS[name])
    assert {plan.family for plan in plans} == set(TASK_FAMILIES[name])


@names
def test_images_and_labels_do_not_depend_on_order_or_company(name):
    plans = plan_task(name, 5)[::37]
    pristine, images = render(name, 5, plans)
    table = label(name, 5, plans, pristine, images)
    backwards = plans[::-1]
    again_pristine, again = render(name, 5, backwards)
    np.testing.assert_array_equal(again[::-1], images)
    np.testing.assert_array_equal(again_pristine[::-1], pristine)
    reversed_table = label(name, 5, backwards, again_pristine, again)
    pd.testing.assert_frame_equal(reversed_table[::-1].reset_index(drop=True), table)
    low, high = POPULATIONS[name].scale
    assert table.mos.between(low, high).all()


@names
def test_another_seed_gives_other_images(name):
    plans = plan_task(name, 0)[:3]
    _, first = render(name, 0, plans)
    _, second = render(name, 1, plans)
    for one, other in zip(first, second, strict=True):
        assert not np.array_equal(one, other)


def test_tasks_share_no_scene_although_they_share_families():
    drawn = [
        {scene.tobytes() for scene in render(name, 0, plan_task(name, 0)[::40])[0]}
        for name in MINI_TASKS
    ]
    assert len(set.union(*drawn)) == sum(map(len, drawn))


def test_the_generic_layout_is_written_and_bitwise_the_same_twice(tmp_path, small):
    folders = [make_task("mini-live", 2, tmp_path / place) for place in ("one", "two")]
    assert folders[0] == tmp_path / "one" / f"v{RECIPE_VERSION}-seed2" / "mini-live"
    assert contents(folders[0]) == contents(folders[1])
    table = pd.read_csv(folders[0] / "labels.csv")
    assert list(table.columns) == ["image", "mos", "std", "split", "reference"]
    assert all((folders[0] / image).is_file() for image in table.image)
    assert len(list((folders[0] / "images").iterdir())) == len(table) == 30
    about = yaml.safe_load((folders[0] / "dataset.yml").read_text())
    assert about["simulated"] is True
    assert about["mos_range"] == [0.0, 100.0]
    assert (about["recipe_version"], about["seed"]) == (RECIPE_VERSION, 2)
    assert "simulated" in about["description"]
    pixels = b"".join(
        np.asarray(Image.open(folders[0] / "images" / plan.image)).tobytes()
        for plan in plan_task("mini-live", 2)
    )
    assert about["pixels"] == hashlib.sha256(pixels).hexdigest()
    assert {"citation", "licence"} <= set(about)


def test_a_finished_task_is_reused(tmp_path, small, monkeypatch):
    folder = make_task("mini-bid", 0, tmp_path)

    def refuse(*_):
        raise AssertionError("written a second time")

    monkeypatch.setattr(benchmark, "_write", refuse)
    assert make_task("mini-bid", 0, tmp_path) == folder


def test_an_interrupted_task_leaves_nothing_behind(tmp_path, monkeypatch):
    def interrupted(folder, name, seed):
        (folder / "images").mkdir(parents=True)
        raise KeyboardInterrupt

    monkeypatch.setattr(benchmark, "_write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        make_task("mini-bid", 0, tmp_path)
    assert os.listdir(tmp_path / f"v{RECIPE_VERSION}-seed0") == []


def test_when_another_process_wins_its_folder_is_used(tmp_path, small, monkeypatch):
    target = tmp_path / f"v{RECIPE_VERSION}-seed0" / "mini-bid"
    write = benchmark._write

    def write_and_lose(folder, name, seed):
        write(folder, name, seed)
        write(target, name, seed)
        (target / "theirs").write_text("")

    monkeypatch.setattr(benchmark, "_write", write_and_lose)
    assert make_task("mini-bid", 0, tmp_path) == target
    assert (target / "theirs").exists()
    assert os.listdir(target.parent) == ["mini-bid"]


def test_an_incomplete_folder_is_reported(tmp_path):
    (tmp_path / f"v{RECIPE_VERSION}-seed0" / "mini-bid").mkdir(parents=True)
    with pytest.raises(DataError, match="incomplete; delete that folder"):
        make_task("mini-bid", 0, tmp_path)


def test_a_cache_that_cannot_be_written_is_reported(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="mini-bid: cannot write to"):
        make_task("mini-bid", 0, tmp_path / "file")


def test_an_unknown_task_is_named_with_the_valid_ones(tmp_path):
    with pytest.raises(ConfigError, match=r"unknown mini task 'mini-life'; did you mean"):
        make_task("mini-life", 0, tmp_path)


@pytest.mark.slow
@names
def test_full_tasks_spread_their_labels_and_follow_the_level(name, tmp_path):
    folder = make_task(name, 11, tmp_path)
    table = pd.read_csv(folder / "labels.csv")
    recipe = pd.read_csv(folder / "recipe.csv")
    low, high = POPULATIONS[name].scale
    assert table.mos.between(low, high).all()
    share = (table.mos - low) / (high - low)
    assert share.std() > 0.12
    assert share.quantile(0.9) - share.quantile(0.1) > 0.4
    for kind, rows in table.assign(kind=recipe.distortion, level=recipe.level).groupby("kind"):
        assert rows.mos.corr(rows.level, method="spearman") < -0.2, kind


def test_images_that_were_changed_after_they_were_drawn_are_refused(tmp_path):
    folder = make_task("mini-bid", 0, tmp_path)
    path = sorted((folder / "images").iterdir())[3]
    with Image.open(path) as image:
        turned = ImageOps.invert(image)
    turned.save(path)
    with pytest.raises(DataError, match=r"are not those that were drawn; delete that folder"):
        make_task("mini-bid", 0, tmp_path)

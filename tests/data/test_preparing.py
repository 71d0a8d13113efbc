"""Preparing: any layout becomes the generic one, is the same task, and can be interrupted."""

import shutil

import pytest

from official import csiq, live_challenge
from tsniqa.data import cache as decoded
from tsniqa.data import catalogue, load_task
from tsniqa.data.cache import DecodedCache
from tsniqa.data.preparing import prepare_folder
from tsniqa.data.task import check_task
from tsniqa.errors import ConfigError, DataError


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "official" / "CSIQ"
    csiq.write(folder)
    return folder


@pytest.fixture
def cache(tmp_path):
    return DecodedCache(tmp_path / "cache", 768)


def test_the_copy_is_the_same_task(tmp_path, source, cache):
    (folder,) = prepare_folder(source, tmp_path / "out", cache)
    assert folder == tmp_path / "out" / "csiq"
    original = load_task("csiq", tmp_path / "official", 0)
    copy = load_task("csiq", tmp_path / "out", 0)
    check_task(copy)
    assert copy.root != original.root
    assert copy.table.equals(original.table)
    assert copy.fingerprint() == original.fingerprint()
    assert (copy.citation, copy.licence, copy.mos_range) == (
        original.citation,
        original.licence,
        original.mos_range,
    )


def test_every_image_is_decoded_for_either(tmp_path, source, cache, monkeypatch):
    prepare_folder(source, tmp_path / "out", cache)
    copy = load_task("csiq", tmp_path / "out", 0)
    monkeypatch.setattr(decoded, "decode", None)  # nothing may be decoded any more
    assert decoded.decode_tasks([copy, load_task("csiq", source.parent, 0)], cache) == 0


def test_only_rated_images_are_copied(tmp_path, cache):
    live_challenge.write(tmp_path / "ChallengeDB_release")
    (folder,) = prepare_folder(tmp_path / "ChallengeDB_release", tmp_path / "out", cache)
    task = load_task("live-challenge", tmp_path / "out", 0)
    images = {p.relative_to(folder).as_posix() for p in folder.rglob("*.*") if p.parent != folder}
    assert images == set(task.table["image"])


def test_a_published_split_is_kept(tmp_path, cache, dataset):
    source = dataset(tmp_path / "here" / "mine", simulated=False)
    prepare_folder(source, tmp_path / "out", cache)
    original, copy = (load_task("mine", tmp_path / folder, 0) for folder in ("here", "out"))
    assert list(copy.table["split"]) == list(original.table["split"])


def test_repeating_changes_nothing(tmp_path, source, cache):
    (folder,) = prepare_folder(source, tmp_path / "out", cache)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.png")}
    prepare_folder(source, tmp_path / "out", cache)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.png")} == before


def test_an_interrupted_copy_is_no_dataset_and_is_continued(tmp_path, source, cache, monkeypatch):
    copied = []
    original = shutil.copyfile

    def interrupted(a, b):
        if len(copied) == 9:
            raise KeyboardInterrupt
        copied.append(a.name)
        return original(a, b)

    monkeypatch.setattr(shutil, "copyfile", interrupted)
    monkeypatch.setattr(decoded, "available_cores", lambda: 1)
    with pytest.raises(KeyboardInterrupt):
        prepare_folder(source, tmp_path / "out", cache)
    assert catalogue.locate("csiq", tmp_path / "out") is None
    monkeypatch.setattr(shutil, "copyfile", lambda a, b: copied.append(a.name) or original(a, b))
    prepare_folder(source, tmp_path / "out", cache)
    assert len(copied) == len(set(copied)) == len(load_task("csiq", tmp_path / "out", 0).table)


def test_broken_images_leave_no_table(tmp_path, dataset, cache):
    source = dataset(tmp_path / "here" / "mine", simulated=False)
    for name in ("002.png", "004.png"):
        (source / "images" / name).write_bytes(b"broken")
    with pytest.raises(DataError, match=r"002\.png is not an image.*\(and 1 more images\)"):
        prepare_folder(source, tmp_path / "out", cache)
    assert not (tmp_path / "out" / "mine" / "labels.csv").exists()


def test_another_dataset_in_the_way_is_left_alone(tmp_path, source, cache, dataset):
    other = dataset(tmp_path / "out" / "csiq")
    before = (other / "labels.csv").read_bytes()
    with pytest.raises(DataError, match="is another table already; give --out another folder"):
        prepare_folder(source, tmp_path / "out", cache)
    assert (other / "labels.csv").read_bytes() == before


def test_the_dataset_itself_is_no_target(tmp_path, dataset, cache):
    folder = dataset(tmp_path / "mine")
    with pytest.raises(ConfigError, match="is the dataset itself; give --out another folder"):
        prepare_folder(folder, tmp_path, cache)


def test_an_unknown_layout_says_what_is_known(tmp_path, cache):
    with pytest.raises(DataError, match=r"holds no layout that is known \(no labels\.csv"):
        prepare_folder(tmp_path, tmp_path / "out", cache)

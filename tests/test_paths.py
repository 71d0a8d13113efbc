"""Where files are, in a checkout and in an installed package."""

import hashlib
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tsniqa import paths as locations
from tsniqa.paths import _meaning, project_root, remembered_digest, resolve, shipped


def test_paths_count_from_the_checkout_wherever_one_stands(tmp_path, monkeypatch):
    root = Path(__file__).resolve().parents[1]
    monkeypatch.chdir(tmp_path)
    assert project_root() == root
    assert resolve("data/raw") == root / "data" / "raw"
    assert resolve(tmp_path / "x") == tmp_path / "x"
    assert resolve("~/x") == Path.home() / "x"
    assert resolve("data/../book") == root / "book"


@pytest.mark.parametrize("folder", ["presets", "backbones"])
def test_what_ships_is_there(folder):
    assert list(shipped(folder).glob("*.yml"))


def test_an_installed_package_carries_its_files_and_counts_from_the_current_folder(
    tmp_path, monkeypatch
):
    package = tmp_path / "site-packages" / "tsniqa"
    (package / "_data" / "presets").mkdir(parents=True)
    monkeypatch.setattr(locations, "_PACKAGE", package)
    monkeypatch.setattr(locations, "_CHECKOUT", package.parents[1])
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    assert project_root() == tmp_path / "work"
    assert resolve("data") == tmp_path / "work" / "data"
    assert shipped("presets") == package / "_data" / "presets"


@pytest.fixture
def old_file(tmp_path, monkeypatch):
    """A file that was last changed a minute ago, and a cache folder of its own."""
    monkeypatch.setenv(locations.CACHE_VARIABLE, str(tmp_path / "cache"))
    path = tmp_path / "image.png"
    path.write_bytes(b"pixels")
    os.utime(path, ns=(0, time.time_ns() - 60 * 10**9))
    return path


def forget(monkeypatch):
    """Let the next digest be asked for as if by a new process, which may not read the file."""
    locations._digest.cache_clear()
    monkeypatch.setattr(locations.hashlib, "file_digest", lambda *_: pytest.fail("was read again"))


def test_a_file_is_read_once_for_all_processes(old_file, monkeypatch):
    digest = remembered_digest(old_file)
    assert digest == hashlib.sha256(b"pixels").hexdigest()
    forget(monkeypatch)
    assert remembered_digest(old_file) == digest


@pytest.mark.parametrize("age", [50, 60], ids=["another time", "another size"])
def test_a_changed_file_has_another_digest(old_file, age):
    before, content = remembered_digest(old_file), b"pixel5" if age == 50 else b"pixels, more"
    changed = old_file.stat().st_mtime_ns + (60 - age) * 10**9
    old_file.write_bytes(content)
    os.utime(old_file, ns=(0, changed))
    assert remembered_digest(old_file) == hashlib.sha256(content).hexdigest() != before


def test_a_file_that_was_just_written_is_not_remembered(old_file, monkeypatch):
    old_file.write_bytes(b"others")
    remembered_digest(old_file)
    forget(monkeypatch)
    with pytest.raises(pytest.fail.Exception, match="was read again"):
        remembered_digest(old_file)


def test_without_a_place_to_remember_files_are_read(old_file, tmp_path):
    (tmp_path / "cache").write_text("in the way")
    assert remembered_digest(old_file) == hashlib.sha256(b"pixels").hexdigest()


def test_the_meaning_of_code_leaves_out_what_is_for_people():
    plain = "def f(x):\n    return x + 1\n"
    told = '"""A module."""\n\ndef f(\n    x,\n):  # adds\n    """Add one."""\n    return x + 1\n'
    assert _meaning(plain) == _meaning(told)
    assert _meaning(plain) != _meaning(plain.replace("1", "2"))


def test_what_killed_processes_have_written_by_half_is_removed_at_the_next_write(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    host = platform.node()
    names = [f"{host}-{ended.pid}", f"{host}-{os.getppid()}", f"elsewhere-{ended.pid}"]
    dead, living, foreign = (tmp_path / f"model.{name}.partial" for name in names)
    for path in (dead, living, foreign):
        path.touch()
    with locations.written_whole(tmp_path / "other.json") as partial:
        partial.write_text("{}")
    assert not dead.exists()
    assert living.exists()
    assert foreign.exists()
    assert (tmp_path / "other.json").read_text() == "{}"

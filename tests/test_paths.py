"""Where files are, in a checkout and in an installed package."""

from pathlib import Path

import pytest

from tsniqa import paths as locations
from tsniqa.paths import project_root, resolve, shipped


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

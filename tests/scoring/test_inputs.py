"""Files and folders that a user names."""

import os

import pytest
import torch
from PIL import Image

from tsniqa.errors import ConfigError, DataError
from tsniqa.pixels import image_endings
from tsniqa.scoring.inputs import decode_ahead, find_images


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_folders_are_searched_by_name_and_files_taken_as_they_are(tmp_path):
    folder = tmp_path / "photos"
    for name in ("b.JPG", "a.png", "deep/er/c.webp", "notes.txt", ".hidden.png", ".git/d.png"):
        touch(folder / name)
    (folder / "loop").symlink_to(folder)
    odd = tmp_path / "no-ending"
    found = find_images([odd, folder])
    assert found[0] == (odd, None)
    assert [path.relative_to(folder).as_posix() for path, _ in found[1:]] == [
        "a.png",
        "b.JPG",
        "deep/er/c.webp",
    ]
    assert {through for _, through in found[1:]} == {folder}


def test_a_folder_without_images_is_refused(tmp_path):
    touch(tmp_path / "readme.txt")
    with pytest.raises(ConfigError, match=r"no image in .* or below; name another folder"):
        find_images([tmp_path])


def test_what_runs_programs_or_is_a_film_is_no_image():
    endings = image_endings()
    assert {".jpg", ".png", ".webp", ".tif", ".avif", ".heic"} <= endings
    assert not {".eps", ".ps", ".mpg", ".wmf", ".h5", ".pdf"} & endings


def test_decoding_ahead_keeps_the_order_and_stays_few_ahead(tmp_path):
    decoded = []

    def decode(path):
        decoded.append(path)
        if path == 5:
            raise DataError("five is broken")
        return torch.tensor(path)

    reader = decode_ahead(range(40), decode, workers=2)
    assert next(reader)[0] == 0
    assert len(decoded) <= 4
    rest = list(reader)
    assert [path for path, _ in rest] == list(range(1, 40))
    assert str(rest[4][1]) == "five is broken"
    assert all(found == path for path, found in rest if path != 5)


def test_a_reader_that_stops_early_leaves_no_thread_at_work():
    decoded = []
    reader = decode_ahead(range(1000), lambda path: decoded.append(path) or torch.zeros(1), 2)
    next(reader)
    reader.close()
    assert len(decoded) <= 4


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_an_unreadable_folder_is_named(tmp_path):
    (tmp_path / "closed").mkdir(mode=0)
    with pytest.raises(ConfigError, match="closed cannot be read"):
        find_images([tmp_path])


def test_a_format_that_pillow_writes_is_found(tmp_path):
    for ending in ("jpg", "png", "bmp", "tif", "webp", "gif"):
        Image.new("RGB", (4, 4)).save(tmp_path / f"x.{ending}")
    assert len(find_images([tmp_path])) == 6

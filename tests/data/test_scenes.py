"""Grouping photographs by scene from their thumbnails."""

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter

from official.pictures import picture
from tsniqa.data import scenes
from tsniqa.data.scenes import same_scene
from tsniqa.paths import CACHE_VARIABLE


def tinted(image):
    """Take an image under another light."""
    return Image.merge("RGB", [band.point(lambda x, g=g: x * g) for band, g in zip(
        image.split(), (0.9, 0.75, 0.5), strict=True)])  # fmt: skip


FAULTS = {
    "underexposed": lambda image: ImageEnhance.Brightness(image).enhance(0.3),
    "overexposed": lambda image: ImageEnhance.Brightness(image).enhance(1.5),
    "out of focus": lambda image: image.filter(ImageFilter.GaussianBlur(1.5)),
    "white balance": tinted,
    "larger": lambda image: image.resize((128, 96)),
}


@pytest.fixture(autouse=True)
def no_answer_yet(monkeypatch, tmp_path):
    """Keep answers of other tests out."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))


@pytest.fixture
def save(tmp_path):
    """Return a function that saves images under numbers and returns their paths."""

    def all_of(*images):
        paths = [tmp_path / f"{number}.png" for number in range(len(images))]
        for path, image in zip(paths, images, strict=True):
            image.save(path)
        return paths

    return all_of


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_does_not_make_another_scene(save, fault):
    one, other = picture(1, 0), picture(2, 0)
    paths = save(one, other, FAULTS[fault](one), FAULTS[fault](other))
    assert same_scene(paths) == [0, 1, 0, 1]


def test_resemblance_is_not_handed_on_without_end(save):
    """Every neighbour resembles the next one; the ends have nothing in common."""
    random = np.random.default_rng(0)
    walk = np.cumsum(random.normal(size=(30, 32, 32)), axis=0)
    steps = [Image.fromarray(np.uint8(np.clip(128 + 12 * x, 0, 255))) for x in walk[5:]]
    found = same_scene(save(*steps))
    assert found[:2] == [0, 0]
    assert found[-1] != 0


def test_the_answer_does_not_depend_on_the_order(save):
    paths = save(*(picture(content, level) for level in (0, 0.5) for content in range(6)))
    found, backwards = same_scene(paths), same_scene(paths[::-1])
    assert found == [0, 1, 2, 3, 4, 5] * 2
    assert backwards == found


def test_what_cannot_be_read_is_a_scene_of_its_own(save, tmp_path):
    paths = save(picture(1, 0), picture(1, 0.2), Image.new("RGB", (9, 9)), Image.new("RGB", (9, 9)))
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    assert same_scene([broken, *paths, tmp_path / "missing.png"]) == [0, 1, 1, 3, 4, 5]


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_to_group(save, count):
    assert same_scene(save(picture(1, 0))[:count]) == [0][:count]


def test_unchanged_images_are_decoded_once(save, monkeypatch):
    paths = save(picture(1, 0), picture(2, 0))
    decoded = []
    decode = scenes.decode
    monkeypatch.setattr(scenes, "decode", lambda path: decoded.append(path) or decode(path))
    first = same_scene(paths)
    assert same_scene(paths) == first
    assert decoded == paths
    picture(1, 0.1).save(paths[1])
    assert same_scene(paths) == [0, 0]

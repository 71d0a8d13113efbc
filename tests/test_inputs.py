"""What users hand over as images, and batches of them."""

import itertools

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tsniqa.errors import DataError
from tsniqa.pixels import as_images, batches, checked, shrink

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 9, 3), np.uint8)
TENSOR = torch.from_numpy(PIXELS).permute(2, 0, 1)


def test_all_kinds_of_one_image_are_the_same_pixels(tmp_path):
    path = tmp_path / "photo.png"
    Image.fromarray(PIXELS).save(path)
    for given_image in (path, str(path), Image.fromarray(PIXELS), Image.open(path), PIXELS, TENSOR):
        for images in (given_image, [given_image], iter((given_image,))):
            (image,) = as_images(images)
            assert torch.equal(image, TENSOR)
            assert image.is_contiguous()


def test_batches_are_many_images():
    for stack in (np.stack([PIXELS, PIXELS // 2]), torch.stack([TENSOR, TENSOR // 2])):
        first, second = as_images(stack)
        assert torch.equal(first, TENSOR)
        assert torch.equal(second, TENSOR // 2)


def test_floating_point_stays_as_it_is_and_flipped_arrays_are_copied():
    (image,) = as_images(PIXELS[:, ::-1] / 255)
    assert image.dtype == torch.float64
    torch.testing.assert_close(image, TENSOR.flip(2).double() / 255)


def test_a_pil_image_is_turned_upright_as_its_file_is(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(PIXELS).save(tmp_path / "turned.png", exif=exif)
    path = tmp_path / "turned.png"
    from_path, from_image = as_images([path, Image.open(path)])
    assert from_path.shape == (3, 9, 6)
    assert torch.equal(from_path, from_image)


@pytest.mark.parametrize("column", [pd.Series, np.array])
def test_a_column_of_paths_is_many_images(tmp_path, column):
    Image.fromarray(PIXELS).save(tmp_path / "one.png")
    paths = column([str(tmp_path / "one.png")] * 2)
    assert [image.shape for image in as_images(paths)] == [(3, 6, 9)] * 2


def test_a_damaged_pil_image_is_refused_in_one_line(tmp_path):
    Image.fromarray(np.tile(PIXELS, (30, 30, 1))).save(tmp_path / "whole.png")
    half = (tmp_path / "whole.png").read_bytes()
    (tmp_path / "half.png").write_bytes(half[: len(half) // 2])
    with pytest.raises(DataError, match="an image given is damaged"):
        list(as_images(Image.open(tmp_path / "half.png")))


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (TENSOR.float(), r"pixels run from 0 to 249; divide by the largest possible value"),
        (torch.full((3, 4, 4), float("nan")), "pixels run from nan to nan"),
        (-TENSOR.float() / 255, "pixels run from -0.97"),
        (TENSOR.int(), "pixels are torch.int32; give uint8, or floating point from 0 to 1"),
        (PIXELS.astype(bool), "pixels are torch.bool"),
        (PIXELS[:, :, 0], r"\(6, 9\) is no image"),
        (PIXELS.transpose(2, 0, 1), r"\(3, 6, 9\) is no image; give a path, a PIL image"),
        (TENSOR[:1], r"pixels have the shape \[1, 6, 9\], not \[3, H, W\]"),
        (torch.zeros(3, 0, 4), r"pixels have the shape \[3, 0, 4\]"),
        ([TENSOR[None]], r"pixels have the shape \[1, 3, 6, 9\]"),
        ([5], "int is no image"),
    ],
)
def test_what_is_no_image_is_refused_in_one_line(image, message):
    with pytest.raises(DataError, match=message) as caught:
        list(as_images(image))
    assert "\n" not in str(caught.value)


def test_a_batch_is_checked_as_one():
    assert checked(TENSOR[None], 4) is not None
    with pytest.raises(DataError, match=r"not \[N, 3, H, W\]"):
        checked(TENSOR, 4)


@given(st.lists(st.sampled_from([(4, 5), (400, 500), (500, 400), (800, 900)]), max_size=50))
def test_batches_keep_order_and_hold_equal_shapes_within_both_limits(sizes):
    rows = torch.arange(50, dtype=torch.uint8)[:, None, None, None].expand(-1, 3, 800, 900)
    images = [rows[i, :, :height, :width] for i, (height, width) in enumerate(sizes)]
    most = {(4, 5): 16, (400, 500): 1, (500, 400): 1, (800, 900): 1}
    found = list(batches(iter(images)))
    assert [int(image[0, 0, 0]) for batch in found for image in batch] == list(range(len(images)))
    limits = [most[tuple(batch.shape[2:])] for batch in found]
    assert all(1 <= len(batch) <= limit for batch, limit in zip(found, limits, strict=True))
    full = [len(batch) == limit for batch, limit in zip(found, limits, strict=True)]
    neighbours = itertools.pairwise(found)
    assert all(f or a.shape != b.shape for f, (a, b) in zip(full, neighbours, strict=False))


def test_a_batch_of_small_images_ends_at_its_pixels():
    images = [torch.zeros(3, 200, 300, dtype=torch.uint8)] * 6  # 60,000 pixels each
    assert [len(batch) for batch in batches(images)] == [4, 2]


def test_batches_read_one_image_ahead_and_no_more():
    taken = []
    images = (taken.append(i) or torch.zeros(3, 4, 4) for i in range(100))
    next(batches(images))
    assert len(taken) == 17


@pytest.mark.parametrize(
    ("shape", "limit", "expected"),
    [
        ((3, 40, 60), 20, (3, 20, 30)),
        ((2, 3, 60, 40), 20, (2, 3, 30, 20)),
        ((3, 9, 9), 9, (3, 9, 9)),
        ((3, 9, 9), None, (3, 9, 9)),
        ((3, 40, 160), 20, (3, 20, 80)),
        ((3, 40, 400), 20, (3, 8, 80)),
        ((3, 800, 2), 20, (3, 80, 1)),
    ],
)
def test_shrinking_goes_by_the_shorter_side_and_never_enlarges(shape, limit, expected):
    for image in (torch.zeros(shape), torch.zeros(shape, dtype=torch.uint8)):
        smaller = shrink(image, limit)
        assert (smaller.shape, smaller.dtype) == (expected, image.dtype)
        assert smaller is image or shape != expected

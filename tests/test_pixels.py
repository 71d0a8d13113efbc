"""Pixels: decoding, its refusals, and shrinking."""

import numpy as np
import pytest
import torch
from PIL import Image

from tsniqa.errors import DataError
from tsniqa.pixels import decode, normalize, shrink


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def write(path, pixels, **options):
    Image.fromarray(pixels).save(path, **options)
    return path


def one_line(error):
    text = str(error.value)
    assert "\n" not in text
    return text


class TestDecode:
    def test_returns_the_stored_rgb_pixels(self, tmp_path):
        pixels = noise(5, 7)
        decoded = decode(write(tmp_path / "a.png", pixels))
        assert decoded.dtype == np.uint8
        np.testing.assert_array_equal(decoded, pixels)

    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_turns_the_image_upright_by_its_exif_orientation(self, tmp_path, orientation):
        pixels = noise(4, 6)
        # What a camera stores for an upright scene, by the EXIF standard's rows and columns.
        stored = {
            1: pixels,
            2: pixels[:, ::-1],
            3: pixels[::-1, ::-1],
            4: pixels[::-1],
            5: pixels.transpose(1, 0, 2),
            6: np.rot90(pixels),
            7: pixels[::-1, ::-1].transpose(1, 0, 2),
            8: np.rot90(pixels, -1),
        }[orientation]
        exif = Image.Exif()
        exif[0x0112] = orientation
        path = write(tmp_path / "turned.png", np.ascontiguousarray(stored), exif=exif)
        np.testing.assert_array_equal(decode(path), pixels)

    def test_scales_16_bit_grey_by_its_full_range(self, tmp_path):
        grey = np.array([[0, 257, 300, 65535]], dtype=np.uint16)
        decoded = decode(write(tmp_path / "deep.png", grey))
        np.testing.assert_array_equal(decoded[0], [[v] * 3 for v in (0, 1, 1, 255)])

    def test_repeats_grey_in_three_channels(self, tmp_path):
        grey = noise(3, 4)[..., 0]
        decoded = decode(write(tmp_path / "grey.png", grey))
        np.testing.assert_array_equal(decoded, np.repeat(grey[..., None], 3, axis=2))

    @pytest.mark.parametrize(
        ("options", "first"), [({}, [10, 20, 30]), ({"transparency": 0}, [255, 255, 255])]
    )
    def test_looks_palette_colours_up_and_lays_transparent_ones_over_white(
        self, tmp_path, options, first
    ):
        image = Image.new("P", (2, 1))
        image.putpalette([10, 20, 30, 200, 100, 50])
        image.putpixel((1, 0), 1)
        image.save(tmp_path / "palette.png", **options)
        np.testing.assert_array_equal(decode(tmp_path / "palette.png"), [[first, [200, 100, 50]]])

    def test_lays_transparent_pixels_over_white(self, tmp_path):
        rgba = np.array([[[200, 0, 0, 0], [200, 0, 0, 255], [0, 0, 0, 51]]], dtype=np.uint8)
        decoded = decode(write(tmp_path / "clear.png", rgba))
        np.testing.assert_array_equal(decoded, [[[255] * 3, [200, 0, 0], [204] * 3]])

    def test_converts_cmyk_ink_to_light(self, tmp_path):
        Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "ink.tif")
        np.testing.assert_array_equal(decode(tmp_path / "ink.tif")[0, 0], [255, 0, 0])

    def test_takes_the_first_frame_of_an_animation(self, tmp_path):
        first, second = Image.new("L", (4, 4), 0), Image.new("L", (4, 4), 255)
        first.save(tmp_path / "film.gif", save_all=True, append_images=[second])
        assert decode(tmp_path / "film.gif").max() == 0

    def test_refuses_a_missing_file(self, tmp_path):
        with pytest.raises(DataError) as error:
            decode(tmp_path / "gone.png")
        assert one_line(error) == (
            f"image {tmp_path / 'gone.png'} is missing; restore the file, or leave it out"
        )

    @pytest.mark.parametrize("extension", ["jpg", "png", "bmp", "tif"])
    def test_refuses_a_truncated_file(self, tmp_path, extension):
        path = write(tmp_path / f"cut.{extension}", noise(64, 64))
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with pytest.raises(DataError, match=rf"cut\.{extension} is .*; replace the file"):
            decode(path)

    @pytest.mark.parametrize("content", [b"", b"not an image"])
    def test_refuses_a_file_that_is_no_image(self, tmp_path, content):
        (tmp_path / "text.png").write_bytes(content)
        with pytest.raises(DataError) as error:
            decode(tmp_path / "text.png")
        assert "text.png is not an image that Pillow can read" in one_line(error)

    @pytest.mark.parametrize("limit", [99, 30])
    def test_refuses_a_decompression_bomb_at_once_and_twice_the_limit(
        self, tmp_path, monkeypatch, limit
    ):
        path = write(tmp_path / "bomb.png", noise(10, 10))
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with pytest.raises(DataError, match=rf"bomb\.png has more than {limit} pixels") as error:
            decode(path)
        one_line(error)

    @pytest.mark.parametrize(
        ("kind", "bits"), [(np.float32, "floating-point"), (np.int32, "32-bit")]
    )
    def test_refuses_pixels_without_a_known_scale(self, tmp_path, kind, bits):
        path = write(tmp_path / "odd.tif", np.full((2, 2), 70_000, dtype=kind))
        with pytest.raises(DataError, match=f"holds {bits} pixels; save it as 8- or 16-bit"):
            decode(path)

    @pytest.mark.parametrize("brightest", [255, 65_535])
    def test_refuses_32_bit_pixels_whose_values_would_fit_in_fewer(self, tmp_path, brightest):
        path = write(tmp_path / "odd.tif", np.full((2, 2), brightest, dtype=np.int32))
        with pytest.raises(DataError, match="holds 32-bit pixels; save it as 8- or 16-bit"):
            decode(path)

    def test_refuses_a_path_or_a_link_that_leaves_the_root(self, tmp_path):
        root = tmp_path / "root"
        root.mkdir()
        outside = write(tmp_path / "outside.png", noise(2, 2))
        (root / "link.png").symlink_to(outside)
        for path in (root / ".." / "outside.png", root / "link.png", outside):
            with pytest.raises(DataError, match=r"lies outside .*root; keep images inside"):
                decode(path, root)
        inside = write(root / "inside.png", noise(2, 2))
        assert decode(inside, root).shape == (2, 2, 3)


class TestShrink:
    def test_averages_detail_finer_than_the_new_grid_away(self):
        stripes = np.zeros((64, 64, 3), dtype=np.uint8)
        stripes[:, ::2] = 255
        inner = shrink(torch.from_numpy(stripes).permute(2, 0, 1), 8)[:, 2:-2, 2:-2]
        assert abs(inner.double() - 127.5).max() < 3

    def test_agrees_with_pillows_filter_to_one_grey_level(self):
        pixels = noise(50, 70)
        expected = np.asarray(Image.fromarray(pixels).resize((42, 30), Image.Resampling.BILINEAR))
        got = shrink(torch.from_numpy(pixels).permute(2, 0, 1), 30).permute(1, 2, 0).numpy()
        assert np.abs(got.astype(int) - expected).max() <= 1


def test_normalize_subtracts_means_and_divides_by_deviations():
    pixels = torch.from_numpy(noise(4, 6)).permute(2, 0, 1)[None]
    mean, std = (0.5, 0.4, 0.3), (0.25, 0.2, 0.1)
    scaled = pixels.double() / 255
    expected = (scaled - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
    for images in (pixels, scaled):
        found = normalize(images, mean, std)
        assert found.dtype == torch.float32
        assert found.is_contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(found.double(), expected, atol=1e-5, rtol=1e-5)

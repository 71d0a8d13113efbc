"""Decoding, its refusals, the cache, crops and batches."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tsniqa.data import images
from tsniqa.data.images import ImageSet, full_batches, normalize, random_crop, random_flip
from tsniqa.errors import DataError
from tsniqa.pixels import decode, fit_shorter_side


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def write(path, pixels, **options):
    Image.fromarray(pixels).save(path, **options)
    return path


def one_line(error):
    text = str(error.value)
    assert "\n" not in text
    return text


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


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

    def test_looks_palette_colours_up(self, tmp_path):
        image = Image.new("P", (2, 1))
        image.putpalette([10, 20, 30, 200, 100, 50])
        image.putpixel((1, 0), 1)
        image.save(tmp_path / "palette.png")
        np.testing.assert_array_equal(
            decode(tmp_path / "palette.png"), [[[10, 20, 30], [200, 100, 50]]]
        )

    def test_lays_transparent_pixels_over_white(self, tmp_path):
        rgba = np.array([[[200, 0, 0, 0], [200, 0, 0, 255], [0, 0, 0, 51]]], dtype=np.uint8)
        decoded = decode(write(tmp_path / "clear.png", rgba))
        np.testing.assert_array_equal(decoded, [[[255] * 3, [200, 0, 0], [204] * 3]])

    def test_lays_a_transparent_palette_entry_over_white(self, tmp_path):
        image = Image.new("P", (2, 1))
        image.putpalette([10, 20, 30, 200, 100, 50])
        image.putpixel((1, 0), 1)
        image.save(tmp_path / "palette.png", transparency=0)
        np.testing.assert_array_equal(
            decode(tmp_path / "palette.png"), [[[255] * 3, [200, 100, 50]]]
        )

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
            f"image {tmp_path / 'gone.png'} is missing; restore the file or remove its row"
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


class TestFitShorterSide:
    @pytest.mark.parametrize("limit", [None, 6, 7])
    def test_leaves_an_image_within_the_limit_alone(self, limit):
        pixels = noise(6, 9)
        assert fit_shorter_side(pixels, limit) is pixels

    @pytest.mark.parametrize(
        ("height", "width", "expected"), [(40, 60, (20, 30)), (60, 40, (30, 20))]
    )
    def test_brings_the_shorter_side_to_the_limit_and_keeps_the_shape(
        self, height, width, expected
    ):
        smaller = fit_shorter_side(noise(height, width), 20)
        assert smaller.shape == (*expected, 3)
        assert smaller.dtype == np.uint8

    def test_averages_detail_finer_than_the_new_grid_away(self):
        stripes = np.zeros((64, 64, 3), dtype=np.uint8)
        stripes[:, ::2] = 255
        inner = fit_shorter_side(stripes, 8)[2:-2, 2:-2]
        assert abs(inner.astype(float) - 127.5).max() < 3

    def test_agrees_with_pillows_filter_to_one_grey_level(self):
        pixels = noise(50, 70)
        expected = np.asarray(Image.fromarray(pixels).resize((42, 30), Image.Resampling.BILINEAR))
        got = fit_shorter_side(pixels, 30)
        assert np.abs(got.astype(int) - expected).max() <= 1


class TestImageSet:
    @pytest.fixture
    def paths(self, tmp_path):
        shapes = [(8, 8), (8, 8), (8, 12), (8, 8), (8, 8), (8, 8)]
        return [
            write(tmp_path / f"{i}.png", noise(*shape, seed=i)) for i, shape in enumerate(shapes)
        ]

    @pytest.fixture
    def decoded(self, monkeypatch):
        """Names of the files decoded so far."""
        names, original = [], images.decode
        monkeypatch.setattr(
            images, "decode", lambda path, root: names.append(path.name) or original(path, root)
        )
        return names

    def test_gives_channels_first_and_its_length(self, paths):
        image_set = ImageSet(paths, None)
        assert len(image_set) == 6
        assert image_set[2].shape == (3, 8, 12)
        assert image_set[2].dtype == torch.uint8
        np.testing.assert_array_equal(image_set[2].permute(1, 2, 0).numpy(), noise(8, 12, seed=2))

    def test_shrinks_on_the_way_in(self, paths):
        assert ImageSet(paths, 4)[2].shape == (3, 4, 6)

    def test_decodes_nothing_before_it_is_asked_and_each_image_once(self, paths, decoded):
        image_set = ImageSet(paths, None)
        assert decoded == []
        assert image_set[1] is image_set[1]
        assert image_set[-1] is image_set[5]
        assert decoded == ["1.png", "5.png"]

    def test_beyond_its_memory_decodes_again_with_the_same_result(self, paths, decoded):
        image_set = ImageSet(paths, None, memory_limit=2 * 8 * 8 * 3)
        first = [image_set[i].clone() for i in range(6)]
        second = [image_set[i] for i in range(6)]
        assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
        assert [decoded.count(f"{i}.png") for i in range(6)] == [1, 1, 2, 2, 2, 2]

    def test_ends_like_a_sequence(self, paths):
        with pytest.raises(IndexError):
            ImageSet(paths, None)[6]
        assert len(list(ImageSet(paths, None))) == 6

    def test_batches_neighbours_of_equal_size_in_order(self, paths):
        image_set = ImageSet(paths, None)
        batches = list(full_batches(image_set, 2))
        assert [indices for indices, _ in batches] == [[0, 1], [2], [3, 4], [5]]
        for indices, pixels in batches:
            assert pixels.dtype == torch.uint8
            assert torch.equal(pixels, torch.stack([image_set[i] for i in indices]))

    def test_no_image_gives_no_batch(self):
        assert list(full_batches(ImageSet([], None), 4)) == []

    def test_a_batch_of_none_is_refused(self, paths):
        with pytest.raises(ValueError, match="at least 1"):
            next(full_batches(ImageSet(paths, None), 0))

    def test_reports_a_damaged_image_when_it_is_reached(self, paths):
        paths[1].write_bytes(b"")
        image_set = ImageSet(paths, None)
        assert image_set[0].shape == (3, 8, 8)
        with pytest.raises(DataError, match=r"1\.png is not an image"):
            image_set[1]


class TestRandomCrop:
    @given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 40), st.integers(0, 99))
    def test_gives_the_size_asked_for_whatever_the_image(self, height, width, size, seed):
        image = torch.from_numpy(noise(height, width)).permute(2, 0, 1)
        crop = random_crop(image, size, seeded(seed))
        assert crop.shape == (3, size, size)
        assert set(crop.flatten().tolist()) <= set(image.flatten().tolist())

    def test_cuts_a_window_or_its_mirror_image(self):
        image = torch.arange(3 * 6 * 7).reshape(3, 6, 7)
        windows = [image[:, y : y + 4, x : x + 4] for y in range(3) for x in range(4)]
        windows += [window.flip(-1) for window in windows]
        seen = set()
        for seed in range(400):
            crop = random_crop(image, 4, seeded(seed))
            seen.add(next(i for i, window in enumerate(windows) if torch.equal(crop, window)))
        assert seen == set(range(len(windows)))

    def test_extends_a_small_image_by_reflection_without_repeating_its_edge(self):
        row = torch.tensor([1, 2, 3], dtype=torch.uint8)
        image = row.expand(3, 9, 3).contiguous()
        crop = random_crop(image, 9, seeded())
        extended = [2, 3, 2, 1, 2, 3, 2, 1, 2]
        assert crop[0, 0].tolist() in (extended, extended[::-1])

    def test_repeats_by_generator_and_draws_the_same_amount_for_every_size(self):
        small, large = torch.zeros(3, 2, 2), torch.zeros(3, 50, 60)
        first, second = seeded(7), seeded(7)
        random_crop(small, 8, first)
        random_crop(large, 8, second)
        assert torch.equal(first.get_state(), second.get_state())

    def test_flips_about_half_of_the_time(self):
        image = torch.arange(2).reshape(1, 1, 2)
        generator = seeded(1)
        flipped = sum(random_flip(image, generator)[0, 0, 0].item() for _ in range(400))
        assert 150 < flipped < 250


class TestNormalize:
    def test_scales_and_standardises_each_channel(self):
        batch = torch.tensor([0, 51, 255], dtype=torch.uint8).view(1, 3, 1, 1)
        got = normalize(batch, (0.5, 0.1, 0.2), (0.25, 0.2, 0.4))
        np.testing.assert_allclose(got.flatten().numpy(), [-2, 0.5, 2], rtol=1e-6)

    def test_gives_float32_in_channels_last_memory_and_leaves_its_input(self):
        batch = torch.randint(0, 256, (2, 3, 5, 4), dtype=torch.uint8)
        before = batch.clone()
        got = normalize(batch, (0.5,) * 3, (0.2,) * 3)
        assert got.dtype == torch.float32
        assert got.is_contiguous(memory_format=torch.channels_last)
        assert torch.equal(batch, before)

    def test_an_image_is_the_same_in_any_batch(self):
        batch = torch.randint(0, 256, (4, 3, 5, 4), dtype=torch.uint8)
        statistics = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
        assert torch.equal(normalize(batch, *statistics)[2:3], normalize(batch[2:3], *statistics))

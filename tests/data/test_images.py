"""Images of a task: kept pixels, crops and batches."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tsniqa.data import images
from tsniqa.data.images import ImageSet, random_crop


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def write(path, pixels, **options):
    Image.fromarray(pixels).save(path, **options)
    return path


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


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

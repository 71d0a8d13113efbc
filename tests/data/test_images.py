"""Images of a task: kept pixels, crops and batches."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tsniqa.data import images
from tsniqa.data.images import ImageSet, random_crops


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


def image_tensor(height, width, seed=0):
    return torch.from_numpy(noise(height, width, seed)).permute(2, 0, 1)


class TestRandomCrops:
    """A list of tensors stands in for the set of images."""

    @given(
        st.lists(st.tuples(st.integers(1, 12), st.integers(1, 12)), min_size=1, max_size=4),
        st.integers(1, 40),
        st.integers(0, 99),
    )
    def test_gives_the_size_asked_for_whatever_the_images(self, shapes, size, seed):
        images = [image_tensor(*shape, seed=i) for i, shape in enumerate(shapes)]
        indices = [*reversed(range(len(images))), 0]
        crops = random_crops(images, indices, size, seeded(seed))
        assert crops.shape == (len(indices), 3, size, size)
        assert crops.dtype == torch.uint8
        for index, crop in zip(indices, crops, strict=True):
            assert set(crop.flatten().tolist()) <= set(images[index].flatten().tolist())

    def test_cuts_a_window_or_its_mirror_image_all_about_equally_often(self):
        image = torch.arange(3 * 6 * 7).reshape(3, 6, 7)
        windows = [image[:, y : y + 4, x : x + 4] for y in range(3) for x in range(4)]
        windows += [window.flip(-1) for window in windows]
        crops = random_crops([image], [0] * 4800, 4, seeded())
        counts = [int((crops == window).all(dim=(1, 2, 3)).sum()) for window in windows]
        assert sum(counts) == 4800  # and so there are no others
        assert max(abs(count - 200) for count in counts) < 5 * 200**0.5

    def test_half_of_them_are_mirrored(self):
        image = torch.arange(4).expand(3, 4, 4)
        crops = random_crops([image], [0] * 2000, 4, seeded(3))
        assert abs(int((crops[:, 0, 0, 0] == 3).sum()) - 1000) < 4 * 500**0.5

    def test_extends_a_small_image_by_reflection_without_repeating_its_edge(self):
        row = torch.tensor([1, 2, 3], dtype=torch.uint8)
        image = row.expand(3, 9, 3).contiguous()
        extended = [2, 3, 2, 1, 2, 3, 2, 1, 2]
        seen = {tuple(crop[0, 0].tolist()) for crop in random_crops([image], [0] * 20, 9, seeded())}
        assert seen == {tuple(extended), tuple(extended[::-1])}
        column = random_crops([image.transpose(1, 2)], [0], 9, seeded())
        assert column[0, 0, :, 0].tolist() == extended

    def test_repeats_bit_for_bit_by_generator_alone(self):
        images = [image_tensor(20, 30, seed=i) for i in range(3)]
        first = random_crops(images, [2, 0, 0, 1], 8, seeded(7))
        torch.manual_seed(5)
        assert torch.equal(random_crops(images, [2, 0, 0, 1], 8, seeded(7)), first)
        assert not torch.equal(random_crops(images, [2, 0, 0, 1], 8, seeded(8)), first)

    @given(
        st.lists(st.tuples(st.integers(4, 60), st.integers(4, 60)), min_size=3, max_size=3),
        st.integers(0, 99),
    )
    def test_draws_the_same_numbers_whatever_the_images_sizes(self, shapes, seed):
        """Places are the same share of what an image leaves free, and flips the same."""
        ramps = [torch.arange(h * w).reshape(1, h, w).expand(3, h, w) for h, w in shapes]
        generator, other = seeded(seed), seeded(seed)
        crops = random_crops(ramps, [0, 1, 2], 4, generator)
        large = torch.arange(2**20).reshape(1, 2**10, 2**10).expand(3, -1, -1)
        known = random_crops([large], [0] * 3, 4, other)
        assert torch.equal(generator.get_state(), other.get_state())
        for (h, w), crop, far in zip(shapes, crops, known, strict=True):
            flipped = bool(crop[0, 0, 0] > crop[0, 0, 3])
            assert flipped == bool(far[0, 0, 0] > far[0, 0, 3])
            ends = [int(one[0, 0, 3 if flipped else 0]) for one in (crop, far)]
            for free, place, reached in zip(
                (h - 3, w - 3), divmod(ends[0], w), divmod(ends[1], 2**10), strict=True
            ):
                share = reached / (2**10 - 3)
                assert share * free - 1 <= place <= (share + 1 / (2**10 - 3)) * free

    @pytest.mark.gpu
    @pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
    def test_are_the_same_on_a_gpu(self):
        images = [image_tensor(20, 30, seed=i) for i in range(3)]
        on_device = [image.cuda() for image in images]
        for size in (8, 25):
            crops = random_crops(on_device, [2, 0, 1, 1], size, seeded(7))
            assert crops.device.type == "cuda"
            assert torch.equal(crops.cpu(), random_crops(images, [2, 0, 1, 1], size, seeded(7)))

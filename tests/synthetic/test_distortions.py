"""Distortions: what each does to an image, and how its severity grows."""

import colorsys

import numpy as np
import pytest

from tsniqa.errors import ConfigError
from tsniqa.seeds import generator
from tsniqa.synthetic.blur_noise import convolve, strength
from tsniqa.synthetic.distortions import DISTORTIONS, TASK_DISTORTIONS, distort
from tsniqa.synthetic.observers import fidelity_to_pristine, full_reference
from tsniqa.synthetic.scenes import FAMILIES, make_scene
from tsniqa.synthetic.tone_colour import from_opponent, to_opponent


@pytest.fixture(scope="module")
def scenes():
    names = tuple(FAMILIES)[::2]
    return [make_scene(name, generator(7, "distortion test", name)) for name in names]


def bytes_of(image):
    return (image * 255 + 0.5).astype(np.uint8)


@pytest.mark.parametrize("name", DISTORTIONS)
def test_a_distortion_repeats_itself_and_leaves_its_input_alone(name, scenes):
    scene = scenes[0].copy()
    first = distort(name, scene, 3, generator(1, name))
    again = distort(name, scene, 3, generator(1, name))
    np.testing.assert_array_equal(scene, scenes[0])
    np.testing.assert_array_equal(first, again)
    assert first.shape == scene.shape
    assert first.dtype == np.float64
    assert first.min() >= 0
    assert first.max() <= 1
    assert not np.array_equal(first, scene)


@pytest.mark.parametrize("name", DISTORTIONS)
def test_every_level_loses_something_and_more_severe_ones_lose_more(name, scenes):
    pristine, images = [], []
    for level in (1, 2.5, 3, 4.999):
        for number, scene in enumerate(scenes):
            pristine.append(bytes_of(scene))
            images.append(bytes_of(distort(name, scene, level, generator(number, name))))
    scores = full_reference(np.stack(pristine), np.stack(images))
    kept = fidelity_to_pristine(scores).reshape(4, -1).mean(axis=1)
    assert np.all(np.diff([0.999, *kept]) < 0)


def detail(image):
    return np.abs(np.diff(image, axis=0)).mean()


def chroma(image):
    return np.abs(to_opponent(image)[1]).mean()


@pytest.mark.parametrize(
    ("name", "measure", "sign"),
    [
        *((name, detail, -1) for name in ("gaussian-blur", "lens-blur", "motion-blur")),
        *((name, detail, 1) for name in ("sharpen", "white-noise", "impulse-noise", "jitter")),
        ("contrast", np.std, -1),
        ("saturation-hsv", chroma, -1),
        ("saturation-lab", chroma, 1),
        ("brighten", np.mean, 1),
        ("darken", np.mean, -1),
    ],
)
def test_a_distortion_goes_the_way_that_its_name_says(name, measure, sign, scenes):
    values = [
        [measure(scene), *(measure(distort(name, scene, k, generator(0, name))) for k in (2, 4.5))]
        for scene in scenes
    ]
    assert np.all(sign * np.diff(values, axis=1) > 0)


def test_unknown_names_and_levels_out_of_range_are_refused(scenes):
    with pytest.raises(ConfigError, match=r"unknown distortion 'jpg'.*did you mean 'jpeg'"):
        distort("jpg", scenes[0], 1, generator(0, "x"))
    with pytest.raises(ConfigError, match="level 6 is outside 1 to 5"):
        distort("jpeg", scenes[0], 6, generator(0, "x"))


def test_kadid_has_25_distortions_and_every_task_uses_known_ones():
    assert len(TASK_DISTORTIONS["mini-kadid"]) == 25
    for names in TASK_DISTORTIONS.values():
        assert set(names) <= set(DISTORTIONS)


def test_strength_interpolates_its_table():
    assert strength(1, 10, 20, 30, 40, 50) == 10
    assert strength(2.5, 10, 20, 30, 40, 50) == 25
    assert strength(5, 10, 20, 30, 40, 50) == 50


def test_convolution_agrees_with_a_direct_sum():
    draw = generator(0, "convolution")
    image = draw.random((9, 11, 3), dtype=np.float32)
    kernel = draw.random((5, 5))
    padded = np.pad(image, ((2, 2), (2, 2), (0, 0)), mode="symmetric")
    expected = np.zeros_like(image)
    for row in range(9):
        for column in range(11):
            window = padded[row : row + 5, column : column + 5]
            expected[row, column] = (window * kernel[::-1, ::-1, None]).sum(axis=(0, 1))
    np.testing.assert_allclose(convolve(image, kernel), expected, atol=1e-4)


@pytest.mark.parametrize("name", ["gaussian-blur", "lens-blur", "motion-blur", "camera-shake"])
def test_blurs_keep_a_flat_image_flat(name):
    flat = np.full((96, 96, 3), 0.4, dtype=np.float32)
    blurred = distort(name, flat, 5, generator(0, name))
    np.testing.assert_allclose(blurred, flat, atol=1e-4)


@pytest.mark.parametrize("name", ["white-noise", "pink-noise"])
def test_noise_has_its_stated_deviation(name):
    flat = np.full((96, 96, 3), 0.5, dtype=np.float32)
    residual = distort(name, flat, 3, generator(0, name)) - flat
    assert residual.std() == pytest.approx(0.08, rel=0.05)


def test_pink_noise_is_coarser_than_white_noise():
    flat = np.full((96, 96, 3), 0.5, dtype=np.float32)

    def roughness(name):
        residual = distort(name, flat, 2, generator(0, name)) - flat
        return np.diff(residual, axis=0).std() / residual.std()

    assert roughness("pink-noise") < 0.8 * roughness("white-noise")


def test_impulse_noise_makes_black_and_white_samples_only():
    flat = np.full((96, 96, 3), 0.5, dtype=np.float32)
    noisy = distort("impulse-noise", flat, 5, generator(0, "impulses"))
    assert set(np.unique(noisy)) == {0.0, 0.5, 1.0}
    assert (noisy != 0.5).mean() == pytest.approx(0.18, abs=0.01)


def test_opponent_colours_invert(scenes):
    np.testing.assert_allclose(from_opponent(*to_opponent(scenes[0])), scenes[0], atol=1e-5)


def test_desaturation_scales_hsv_saturation_alone():
    image = np.full((96, 96, 3), (0.8, 0.4, 0.2), dtype=np.float32)
    hue, saturation, value = colorsys.rgb_to_hsv(0.8, 0.4, 0.2)
    expected = colorsys.hsv_to_rgb(hue, saturation * 0.5, value)
    result = distort("saturation-hsv", image, 2, generator(0, "x"))
    np.testing.assert_allclose(result[0, 0], expected, atol=1e-6)


def test_quantization_leaves_the_stated_number_of_values(scenes):
    assert len(np.unique(distort("quantization", scenes[0], 4, generator(0, "x")))) == 4
    reduced = distort("colour-quantization", scenes[0], 5, generator(0, "x"))
    assert len(np.unique(reduced.reshape(-1, 3), axis=0)) <= 4


def test_jitter_and_patches_only_move_pixels(scenes):
    colours = {tuple(pixel) for pixel in scenes[2].reshape(-1, 3).tolist()}
    for name in ("jitter", "non-eccentricity-patch"):
        moved = distort(name, scenes[2], 5, generator(0, name))
        assert {tuple(pixel) for pixel in moved.reshape(-1, 3).tolist()} <= colours

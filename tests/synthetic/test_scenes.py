"""Scenes and their building blocks."""

import colorsys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tsniqa.errors import ConfigError
from tsniqa.seeds import generator
from tsniqa.synthetic.fields import dead_leaves, glyph_rows, hsv_to_rgb, one_over_f, palette
from tsniqa.synthetic.scenes import FAMILIES, SIZE, TASK_FAMILIES, make_scene


@pytest.mark.parametrize("family", FAMILIES)
def test_a_scene_is_a_valid_image_that_depends_on_its_generator_alone(family):
    first = make_scene(family, generator(3, "a test", family))
    again = make_scene(family, generator(3, "a test", family))
    other = make_scene(family, generator(4, "a test", family))
    assert first.shape == (SIZE, SIZE, 3)
    assert first.dtype == np.float64
    assert np.isfinite(first).all()
    assert first.min() >= 0
    assert first.max() <= 1
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).mean() > 0.01


@pytest.mark.parametrize("family", FAMILIES)
def test_scenes_are_neither_flat_nor_mostly_clipped(family):
    scenes = np.stack([make_scene(family, generator(i, "contrast", family)) for i in range(4)])
    assert scenes.std(axis=(1, 2, 3)).min() > 0.03
    assert (scenes >= 1).mean() < 0.4
    assert (scenes <= 0).mean() < 0.4


def test_scenes_have_the_falling_spectrum_of_natural_images():
    power = np.zeros((SIZE, SIZE))
    for index in range(26):
        family = tuple(FAMILIES)[index % len(FAMILIES)]
        luma = make_scene(family, generator(index, "spectrum", family)).mean(axis=-1)
        power += np.abs(np.fft.fft2((luma - luma.mean()) * np.hanning(SIZE)[:, None])) ** 2
    frequency = np.hypot(*np.meshgrid(*[np.fft.fftfreq(SIZE) * SIZE] * 2))
    rings = np.arange(3, 30)
    mean = [power[np.round(frequency) == ring].mean() for ring in rings]
    slope = np.polyfit(np.log(rings), np.log(mean), 1)[0]
    assert -3.2 < slope < -1.2


def test_an_unknown_family_is_named_with_the_valid_ones():
    with pytest.raises(ConfigError, match=r"unknown content family 'fog'.*foliage"):
        make_scene("fog", generator(0, "x"))


def test_every_task_has_its_own_mix_of_families_and_koniq_has_them_all():
    assert len({frozenset(families) for families in TASK_FAMILIES.values()}) == len(TASK_FAMILIES)
    assert set(TASK_FAMILIES["mini-koniq"]) == set(FAMILIES)
    for name, families in TASK_FAMILIES.items():
        assert set(families) <= set(FAMILIES), name
        assert len(families) <= len(TASK_FAMILIES["mini-koniq"])


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0])
def test_a_field_has_the_spectrum_it_was_asked_for(exponent):
    size = 128
    power = sum(
        np.abs(np.fft.fft2(one_over_f(generator(i, "spectrum"), size, exponent))) ** 2
        for i in range(20)
    )
    frequency = np.hypot(*np.meshgrid(*[np.fft.fftfreq(size) * size] * 2))
    rings = np.arange(2, 60)
    mean = [power[np.round(frequency) == ring].mean() for ring in rings]
    slope = np.polyfit(np.log(rings), np.log(mean), 1)[0]
    assert slope == pytest.approx(-2 * exponent, abs=0.1)


def test_a_field_has_zero_mean_and_unit_deviation():
    field = one_over_f(generator(0, "moments"), 96, 1.0)
    assert field.dtype == np.float64
    assert field.mean() == pytest.approx(0, abs=1e-4)
    assert field.std() == pytest.approx(1, abs=1e-3)


def test_a_stretched_field_is_smoother_along_its_streaks():
    field = one_over_f(generator(0, "streaks"), 96, 1.0, angle=0.0, stretch=6.0)
    along = np.abs(np.diff(field, axis=1)).mean()
    across = np.abs(np.diff(field, axis=0)).mean()
    assert along < 0.6 * across


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
@settings(max_examples=50)
def test_hsv_agrees_with_the_standard_library(hue, saturation, value):
    expected = colorsys.hsv_to_rgb(hue, saturation, value)
    np.testing.assert_allclose(hsv_to_rgb([hue, saturation, value]), expected, atol=1e-5)


def test_a_palette_stays_in_its_box():
    for colour in palette(generator(0, "box"), 50, (0.2, 0.3), (0.4, 0.5), (0.6, 0.7)):
        hue, saturation, value = colorsys.rgb_to_hsv(*colour.tolist())
        assert 0.199 <= hue <= 0.301
        assert 0.399 <= saturation <= 0.501
        assert 0.599 <= value <= 0.701


@pytest.mark.parametrize("shape", ["disc", "box", "blade"])
def test_a_pixel_lies_inside_the_leaf_that_is_in_front(shape):
    layout = dead_leaves(generator(0, "leaf", shape), 64, count=30, shape=shape)
    assert layout.index.min() >= 0
    assert layout.index.max() <= 29
    leaf = layout.index < 29
    along, across = np.abs(layout.along[leaf]), np.abs(layout.across[leaf])
    reach = {"disc": along**2 + across**2, "box": np.maximum(along, across)}.get(
        shape, across + along**2
    )
    assert reach.max() < 1 + 1e-5


def test_glyphs_are_black_and_white_and_leave_the_lines_between_rows_blank():
    page = glyph_rows(generator(0, "page"), 96, scale=1)
    assert set(np.unique(page)) == {0.0, 1.0}
    assert page[0::8].max() == 0
    assert 0.1 < page.mean() < 0.5

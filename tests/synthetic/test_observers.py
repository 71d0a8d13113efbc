"""Simulated observers: full-reference scores, opinions, ratings."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsniqa.seeds import generator
from tsniqa.synthetic.distortions import DISTORTIONS
from tsniqa.synthetic.observers import POPULATIONS, fidelity_to_pristine, full_reference
from tsniqa.synthetic.scenes import FAMILIES, make_scene

names = pytest.mark.parametrize("name", POPULATIONS)


@pytest.fixture(scope="module")
def pristine():
    families = [tuple(FAMILIES)[i % len(FAMILIES)] for i in range(70)]
    scenes = [make_scene(f, generator(3, "pristine", str(i))) for i, f in enumerate(families)]
    return (np.stack(scenes) * 255 + 0.5).astype(np.uint8)


def test_an_image_has_perfect_scores_against_itself(pristine):
    scores = full_reference(pristine[:5], pristine[:5])
    np.testing.assert_allclose(scores, [[1.0, 0.0]] * 5, atol=1e-5)


def test_a_score_does_not_depend_on_the_company(pristine):
    distorted = 255 - pristine
    together = full_reference(pristine, distorted)
    alone = [full_reference(pristine[i : i + 1], distorted[i : i + 1])[0] for i in (0, 33, 69)]
    np.testing.assert_array_equal(together[[0, 33, 69]], alone)


def test_fidelity_by_hand():
    scores = np.array([[1.0, 0.0], [0.4, 0.14], [0.2, 0.9]])
    np.testing.assert_allclose(fidelity_to_pristine(scores), [1.0, 0.5, 0.1])


@names
@given(first=st.floats(0, 1), second=st.floats(0, 1))
def test_opinions_grow_with_fidelity_and_stay_on_the_scale(name, first, second):
    population = POPULATIONS[name]
    low, high = sorted((first, second))
    worse, better = (population.opinion(q, "jpeg", "page") for q in (low, high))
    assert 0 <= worse <= better <= 1


@names
def test_half_the_scale_is_reached_at_the_typical_loss(name):
    population = POPULATIONS[name]
    quality = 1 - population.typical_loss
    assert population.opinion(quality, "no bias", "no bias") == pytest.approx(0.5)


@names
def test_habits_name_existing_distortions_and_families(name):
    assert set(POPULATIONS[name].sensitivity) <= set(DISTORTIONS)
    assert set(POPULATIONS[name].preference) <= set(FAMILIES)


@names
def test_ratings_stay_on_the_scale_and_repeat(name):
    population = POPULATIONS[name]
    low, high = population.scale
    for opinion in (0.02, 0.5, 0.98):
        mos, std = population.rate(opinion, generator(0, name))
        assert low <= mos <= high
        assert std > 0
        assert (mos, std) == population.rate(opinion, generator(0, name))


@names
def test_the_mean_over_many_panels_approaches_the_opinion(name):
    population = POPULATIONS[name]
    low, high = population.scale
    mean = np.mean([population.rate(0.5, generator(i, name))[0] for i in range(300)])
    assert (mean - low) / (high - low) == pytest.approx(0.5, abs=0.01)


def test_noise_of_a_mean_opinion_shrinks_with_the_panel():
    population = POPULATIONS["mini-live"]
    scores = [population.rate(0.5, generator(i, "panel"))[0] for i in range(400)]
    expected = 100 * population.noise / np.sqrt(22.5)
    assert np.std(scores) == pytest.approx(expected, rel=0.15)

"""What a model remembers of a task: its scale, and what is unusual there."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsniqa.model.profiles import TaskProfile, fit_scale, logistic, percentiles


def profile(distances=(0.0, 1.0), scale=(5, 1, 0, 1)):
    return TaskProfile(
        images=1, held_out=1, srcc=0.5, mos_range=(1, 5), scale=scale,
        distances=percentiles(np.array(distances)),
    )  # fmt: skip


def test_the_logistic_by_hand():
    found = logistic(np.array([0.0, -1e9, 1e9, np.log(3)]), 5, 1, 0, 1)
    assert found.tolist() == pytest.approx([3, 1, 5, 4])


def test_the_scale_that_made_opinions_is_found_again():
    scores = np.linspace(-3, 3, 80)
    mos = logistic(scores, 90, 10, 0.5, 0.7)
    found = fit_scale(scores, mos, (0, 100))
    assert logistic(scores, *found) == pytest.approx(mos, abs=1e-3)


@given(st.integers(0, 10_000), st.integers(4, 40))
def test_a_scale_never_falls_and_stays_on_the_opinion_scale(seed, count):
    random = np.random.default_rng(seed)
    scores, mos = random.normal(size=count), random.uniform(1, 5, size=count)
    scale = fit_scale(scores, mos, (1, 5))
    if scale is not None:
        mapped = profile(scale=scale).on_scale(np.linspace(-50, 50, 200))
        assert (np.diff(mapped) >= 0).all()
        assert mapped.min() >= 1 - 1e-9
        assert mapped.max() <= 5 + 1e-9


@pytest.mark.parametrize(
    ("scores", "mos"), [([1, 1, 1, 1], [1, 2, 3, 4]), ([1, 2, 3, 4], [2, 2, 2, 2]), ([1], [2])]
)
def test_what_ranks_nothing_has_no_scale(scores, mos):
    assert fit_scale(np.array(scores, float), np.array(mos, float), (0, 9)) is None


def test_unusual_is_the_share_of_held_out_images_that_are_nearer():
    own = profile(distances=np.arange(101) / 100)
    found = own.unusual(np.array([-1, 0, 0.25, 0.999, 1, 7]))
    assert found.tolist() == pytest.approx([0, 0, 25, 99.9, 100, 100])

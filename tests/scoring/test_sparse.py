"""Sparse scoring: which heads are read, and that the bound holds whatever the others say."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from handmade import make_model, pictures
from tsniqa.errors import ConfigError
from tsniqa.model.readouts import mix
from tsniqa.scoring.engine import Engine
from tsniqa.scoring.sparse import check_sparse, mix_read, needed, read_needed
from tsniqa.scoring.stream import score_files

RAW = np.array([[0.0, 1.0], [0.0, 1.0]])


def test_a_score_and_its_bound_by_hand():
    weights = np.array([[0.9, 0.1]])
    (score,), (bound,) = mix_read(np.array([[0.5, np.nan]]), weights, RAW)
    assert score == pytest.approx(0.5)
    assert bound == pytest.approx(0.1 * 1.5, rel=1e-5)  # the other head may say -1
    (whole,) = mix(np.array([[0.5, -1.0]]), weights, RAW)
    assert abs(whole - score) == pytest.approx(bound, rel=1e-5)  # so it cannot be smaller
    # Standardised: (0.5 - 0.1) / 0.2 = 2; the other's -1 becomes (-1 - 0.3) / 0.1 = -13.
    levels = np.array([[0.1, 0.2], [0.3, 0.1]])
    (score,), (bound,) = mix_read(np.array([[0.5, np.nan]]), weights, levels)
    assert score == pytest.approx(2)
    assert bound == pytest.approx(0.1 * 15, rel=1e-5)


def test_heads_below_a_weight_are_skipped_but_never_all():
    weights = np.array([[0.90, 0.06, 0.04], [0.34, 0.33, 0.33]])
    assert needed(weights, 0.05).tolist() == [[True, True, False], [True, True, True]]
    assert needed(weights, 1).tolist() == [[True, False, False], [True, False, False]]


@st.composite
def mixtures(draw):
    images, tasks = draw(st.integers(1, 4)), draw(st.integers(1, 6))

    def values(low, high, *shape):
        return draw(arrays(np.float64, shape, elements=st.floats(low, high)))

    heads = values(-1, 1, images, tasks).astype(np.float32)
    weights = values(1e-6, 1, images, tasks) ** draw(st.integers(1, 8))
    weights /= weights.sum(axis=1, keepdims=True)
    levels = np.column_stack([values(-1, 1, tasks), values(1e-3, 2, tasks)])
    return heads, weights, levels, draw(st.floats(1e-6, 1))


@given(mixtures())
def test_the_whole_mixture_is_always_within_the_bound(case):
    heads, weights, levels, epsilon = case
    wanted = needed(weights, epsilon)
    assert wanted.any(axis=1).all()
    scores, bounds = mix_read(np.where(wanted, heads, np.nan), weights, levels)
    exact = mix(heads, weights, levels)
    rounding = 1e-9 / levels[:, 1].min()
    assert (np.abs(scores - exact) <= bounds + rounding).all()
    assert (bounds[wanted.all(axis=1)] == 0).all()
    levels[:] = 0, 1
    scores, bounds = mix_read(np.where(wanted, heads, np.nan), weights, levels)
    left = np.where(wanted, 0, weights).sum(axis=1)
    assert (bounds <= 2.00001 * left + 1e-12).all()  # what the gate leaves them, twice


@pytest.fixture(scope="module")
def model(world):
    return make_model(world.backbone(), tasks=("alpha", "beta", "gamma"))


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("readout", ["gated", "calibrated", "hard", "uniform", "centred"])
def test_of_a_model_too_and_only_needed_networks_run(model, readout, fast):
    images, passes = pictures(7), []
    compute = Engine(model).features if fast else model.features
    exact = model.table(model.read(images), readout)
    weights = exact[[f"weight {task}" for task in model.tasks]].to_numpy()
    rounding = 1e-6 / min(level.spread for level in model.levels.values())

    def counted(part, owners):
        passes.extend((owner, len(part)) for owner in owners)
        return compute(part, owners)

    for epsilon in (1e-9, 0.2, 0.34, 1):
        passes.clear()
        found = read_needed(model, torch.stack(images), readout, epsilon, counted)
        scores, bounds = mix_read(found.heads, *model.mixture(found, readout))
        assert (np.abs(scores - exact["score"]) <= bounds + rounding).all()
        wanted = needed(weights, epsilon)
        assert np.array_equal(np.isnan(found.heads), ~wanted)
        counts = {task: n for task, n in zip(model.tasks, wanted.sum(axis=0), strict=True) if n}
        assert dict(passes) == {None: 7, **counts}


def test_heads_on_the_untouched_network_come_with_the_gates_pass(world):
    model = make_model(world.backbone(), "nothing")
    found = read_needed(model, torch.stack(pictures()), "gated", 1)
    assert np.array_equal(found.heads, model.read(pictures()).heads)


def test_files_get_a_bound_each(model, world):
    paths = world.task("gamma").paths("test")
    exact = [row["score"] for _, row in score_files(model, paths, "gated")]
    rows = [row for _, row in score_files(model, paths, "gated", sparse=1)]
    for row, score in zip(rows, exact, strict=True):
        assert 0 < row["bound"] < 2
        assert abs(row["score"] - score) <= row["bound"]
        assert sum(np.isnan(row[f"head {task}"]) for task in model.tasks) == 2


def test_what_cannot_be_skipped_is_refused(model, world):
    for epsilon in (0, -0.1, 1.5, float("nan")):
        with pytest.raises(ConfigError, match="takes a weight above 0 and at most 1, not"):
            check_sparse(model, epsilon, "gated")
    with pytest.raises(ConfigError, match="too late for --sparse; leave it out, or weigh"):
        list(score_files(model, [], together=True, sparse=0.1))
    alone = make_model(world.backbone(), tasks=("beta",))
    alone.gate = None
    with pytest.raises(ConfigError, match="no gate, so --sparse has nothing to skip"):
        check_sparse(alone, 0.1, "gated")

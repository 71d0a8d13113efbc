"""Differences on the same test images: values, paired and simultaneous intervals, the verdict."""

from dataclasses import replace

import numpy as np
import pytest

from tsniqa import metrics
from tsniqa.errors import RecordError
from tsniqa.metrics import interval
from tsniqa.seeds import generator
from tsniqa.study import bootstrap
from tsniqa.study.bootstrap import (
    COLUMNS,
    MEAN,
    differences,
    draw_table,
    draws,
    over_runs,
    resamples,
    simultaneous,
    verdict,
)
from tsniqa.study.comparison import label
from tsniqa.study.evaluation import predictions, srcc

GATED, JOINT, SEQUENTIAL = ("tsn", "gated"), ("joint", "single"), ("sequential", "single")
OTHER = ("other", "gated")


@pytest.fixture(scope="module")
def runs(finished):
    return {name: [finished(name)] for name in ("tsn", "head-only", "sequential", "joint")}


def test_a_difference_is_that_of_the_srcc_with_the_interval_of_the_paired_draws(runs):
    tsn, joint = runs["tsn"][0], runs["joint"][0]
    found = differences(runs, GATED, JOINT).set_index("task")
    assert list(found.index) == ["alpha", "beta", "gamma", MEAN]
    row = found.loc["beta"]
    expected = srcc(tsn, "gated", tsn.order, "beta") - srcc(joint, "single", joint.order, "beta")
    assert row["difference"] == pytest.approx(expected)
    expected = interval(draws(tsn, "gated", "beta") - draws(joint, "single", "beta"))
    assert (row["low"], row["high"]) == pytest.approx(expected)
    assert set(found["runs"]) == {"one run"}, "nothing is said of other seeds"
    assert found["difference"].iloc[-1] == pytest.approx(found["difference"].iloc[:-1].mean())


def test_a_mean_is_over_the_tasks_that_count(runs):
    whole = differences(runs, GATED, JOINT)
    some = differences(runs, GATED, JOINT, ["alpha", "gamma"])
    assert some["task"].tolist() == [t for t in whole["task"] if t in ("alpha", "gamma", MEAN)]
    own = whole.set_index("task")["difference"]
    assert some.iloc[-1]["difference"] == pytest.approx((own["alpha"] + own["gamma"]) / 2)


def test_nothing_differs_from_itself(runs):
    found = differences(runs, GATED, GATED)
    assert (found[["difference", "low", "high"]] == 0).all(axis=None)
    assert set(found["verdict"]) == {"equal"}


def of_split(record, split):
    config = record.config.model_copy(update={"split": split})
    return replace(record, description=record.description.model_copy(update={"config": config}))


def with_references(record, size):
    """Copy a record whose test images come in references of some images each."""
    references = np.arange(record.scores.shape[1], dtype=np.int32) // size
    return replace(record, references=references, cache={})


def test_whole_references_are_drawn_as_many_as_there_are(finished):
    record = finished("tsn")
    counts = resamples(with_references(record, 2), "beta")
    assert counts.shape == (1000, 6)
    assert (counts.sum(axis=1) == 6).all(), "three references of two images each"
    np.testing.assert_array_equal(counts[:, ::2], counts[:, 1::2])
    assert len(np.unique(counts, axis=0)) == 10, "multisets of three out of three"


def test_references_of_one_image_give_the_plain_bootstrap(finished):
    record = finished("tsn")
    drawn = generator(0, "beta", "given").integers(0, 6, size=(1000, 6))
    expected = np.array([np.bincount(row, minlength=6) for row in drawn])
    np.testing.assert_array_equal(resamples(with_references(record, 1), "beta"), expected)


def test_draws_are_the_srcc_of_the_images_drawn(finished):
    record = with_references(finished("tsn"), 3)
    predicted = predictions(record, "gated", record.order)["beta"]
    known = record.mos[record.rows("beta")]
    counts = resamples(record, "beta")
    expected = [metrics.srcc(predicted.repeat(row), known.repeat(row)) for row in counts]
    np.testing.assert_allclose(draws(record, "gated", "beta"), expected, rtol=1e-6)


def test_of_several_runs_runs_are_resampled_then_references(finished, reseeded):
    record = finished("tsn")
    seeds = [reseeded(record, seed, shift) for seed, shift in ((0, 0.0), (1, 0.5), (2, 1.0))]
    own = draws(seeds[0], "gated", "beta")
    np.testing.assert_array_equal(over_runs(seeds[:1], "gated", "beta"), own)
    drawn = over_runs(seeds, "gated", "beta")
    picked = generator(0, "runs", "3").integers(0, 3, size=(3, 1000))
    expected = np.mean([picked[j] / 2 + np.roll(own, -101 * j) for j in range(3)], axis=0)
    np.testing.assert_allclose(drawn, expected, atol=1e-6)


def test_seeds_on_the_same_images_are_resampled_alike(finished, reseeded):
    record = reseeded(finished("tsn"), 0)
    for task in record.tasks.values():
        task.simulated = False
    both = [record, reseeded(finished("tsn"), 1)]
    np.testing.assert_allclose(
        over_runs(both, "gated", "beta"), draws(record, "gated", "beta"), atol=1e-6
    )


def test_runs_of_other_splits_pair_by_split(finished, reseeded):
    record = finished("tsn")
    splits = {
        "tsn": [of_split(reseeded(record, 0), split) for split in "012"],
        "other": [
            of_split(reseeded(record, 0, shift), split) for split, shift in (("2", 0.3), ("0", 0.1))
        ],
    }
    found = differences(splits, OTHER, GATED)
    assert found["by run"][0] == pytest.approx((0.1, 0.3))
    assert set(found["runs"]) == {"2 runs"}


def test_a_constant_advantage_is_resolved_on_enough_references_and_its_interval_holds_the_seeds(
    finished, reseeded, monkeypatch
):
    record = finished("tsn")
    both = {
        "tsn": [record, reseeded(record, 1)],
        "other": [reseeded(record, 0, shift=0.1), reseeded(record, 1, shift=0.3)],
    }
    found = differences(both, OTHER, GATED)
    # 0.1 and 0.3: t(0.975; 1) = 12.706 times a standard error of 0.1.
    expected = np.tile([0.2, 0.2 - 1.27062, 0.2 + 1.27062], (4, 1))
    assert found[["difference", "low", "high"]].to_numpy() == pytest.approx(expected, abs=1e-4)
    both["other"][1] = reseeded(record, 1, shift=0.11)
    verdicts = dict(zip(found["task"], found["verdict"], strict=True))
    assert set(verdicts.values()) == {"not resolved"}, "each task shows fewer than ten references"
    counts = {task: bootstrap.reference_count(record, task) for task in record.order}
    assert bootstrap.resolvable(record) == []
    monkeypatch.setattr(bootstrap, "FEWEST_REFERENCES", min(counts.values()))
    assert bootstrap.resolvable(record) == list(record.order)
    assert set(differences(both, OTHER, GATED)["verdict"]) == {"higher"}


def test_a_mean_that_counts_a_task_of_few_references_resolves_nothing(
    finished, reseeded, monkeypatch
):
    record = finished("tsn")
    both = {"tsn": [record], "other": [reseeded(record, 0, shift=0.1)]}
    counts = {task: bootstrap.reference_count(record, task) for task in record.order}
    poorest = min(counts, key=counts.get)
    monkeypatch.setattr(
        bootstrap,
        "reference_count",
        lambda _, task: 9 if task == poorest else 10,
    )
    verdicts = differences(both, OTHER, GATED).set_index("task")["verdict"]
    assert verdicts[MEAN] == verdicts[poorest] == "not resolved"
    rich = bootstrap.resolvable(record)
    assert rich == [task for task in record.order if task != poorest]
    assert differences(both, OTHER, GATED, rich)["verdict"].tolist() == ["higher"] * (len(rich) + 1)


def test_only_seeds_that_both_have_are_compared(finished, reseeded):
    record = finished("tsn")
    partly = {
        "tsn": [record, reseeded(record, 1)],
        "other": [reseeded(record, 1, 0.25), reseeded(record, 7, 9.0)],
    }
    assert differences(partly, OTHER, GATED)["difference"][0] == pytest.approx(0.25)
    nothing = differences({"tsn": [record]}, OTHER, GATED)
    assert nothing.empty
    assert list(nothing) == COLUMNS


def test_the_difference_of_every_run_is_told(finished, reseeded):
    record = finished("tsn")
    both = {
        "tsn": [record, reseeded(record, 1)],
        "other": [reseeded(record, 1, shift=-0.1), reseeded(record, 0, shift=0.3)],
    }
    found = differences(both, OTHER, GATED)
    for position in (0, -1):
        assert found["by run"].iloc[position] == pytest.approx((0.3, -0.1)), "sorted by seed"
    assert found["difference"][0] == pytest.approx(0.1)
    assert set(found["verdict"]) == {"not resolved"}, "the seeds disagree"


def test_a_single_task_has_no_mean_over_tasks(finished):
    found = differences({"tsn": [finished("tsn", ("alpha",))]}, ("tsn", "oracle"), GATED)
    assert found["task"].tolist() == ["alpha"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((0.1, 0.01, 0.2), "higher"),
        ((-0.1, -0.2, -0.01), "lower"),
        ((0.1, -0.01, 0.2), "not resolved"),
        ((0.0, 0.0, 0.0), "equal"),
        ((0.0, -0.1, 0.1), "not resolved"),
        ((0.1, np.nan, np.nan), "not resolved"),
    ],
)
def test_the_verdict_follows_the_interval(values, expected):
    assert verdict(*values) == expected


def test_an_interval_covers_what_resampling_says_and_what_the_runs_say():
    drawn = np.linspace(1.9, 2.1, 1001)
    own = (pytest.approx(1.905), pytest.approx(2.095))
    assert bootstrap.interval(drawn, [2.0]) == own, "one run says nothing of others"
    assert bootstrap.interval(drawn, [2.0, 2.0, 2.0]) == own
    # 1, 2, 3: standard deviation 1, t(0.975; 2) = 4.30265, divided by sqrt 3.
    half = pytest.approx(4.30265 / 3**0.5, rel=1e-5)
    low, high = bootstrap.interval(drawn, [1.0, 2.0, 3.0])
    assert (2 - low, high - 2) == (half, half)
    assert np.isnan(bootstrap.interval(np.full(10, np.nan), [1.0, 2.0])).all()


@pytest.mark.parametrize("noise", [0.0, 1.0, 3.0])
def test_runs_that_differ_by_luck_alone_are_seldom_called_different(noise):
    """Of 400 comparisons of equals, each of three runs, about one in twenty is resolved, or fewer.

    ``noise`` is that of learning, in units of that of the test images. Resampling alone resolves
    almost a fifth where learning is the noisier.
    """
    random, wrong = np.random.default_rng(0), 0
    for _ in range(400):
        by_run = random.normal(scale=noise, size=3) + random.normal(size=3)
        picked = random.integers(0, 3, (3, 1000))
        drawn = (by_run[picked] + random.normal(size=(3, 1000))).mean(axis=0)
        wrong += verdict(by_run.mean(), *bootstrap.interval(drawn, by_run)) != "not resolved"
    assert wrong <= 0.07 * 400


def mean_draws(runs, pair):
    tasks = ["alpha", "beta", "gamma"]
    return np.mean([draws(runs[pair[0]][0], pair[1], task) for task in tasks], axis=0)


def test_simultaneous_intervals_follow_an_independent_slow_computation(runs):
    others = [JOINT, SEQUENTIAL, ("tsn", "latest")]
    found = simultaneous(runs, others, GATED, [MEAN])
    columns = [mean_draws(runs, pair) - mean_draws(runs, GATED) for pair in others]
    largest = [
        max(abs(column[row] - column.mean()) / column.std(ddof=1) for column in columns)
        for row in range(len(columns[0]))
    ]
    quantile = np.quantile(largest, 0.95)
    assert found["first"].tolist() == [label(*pair) for pair in others]
    assert set(found["task"]) == {MEAN}
    half = [quantile * column.std(ddof=1) for column in columns]
    assert (found["difference"] - found["low"]).to_numpy() == pytest.approx(half, abs=1e-6)
    assert (found["high"] - found["difference"]).to_numpy() == pytest.approx(half, abs=1e-6)


def test_a_simultaneous_interval_is_no_narrower_than_the_runs_allow(finished, reseeded):
    record = finished("tsn")
    both = {
        "tsn": [record, reseeded(record, 1)],
        "other": [reseeded(record, 0, shift=0.1), reseeded(record, 1, shift=0.3)],
    }
    row = simultaneous(both, [OTHER], GATED, [MEAN]).iloc[0]
    assert row["high"] - row["difference"] == pytest.approx(1.27062, abs=1e-4)


def test_more_comparisons_never_narrow_an_interval(runs):
    many = [JOINT, SEQUENTIAL, ("head-only", "gated"), ("tsn", "uniform")]
    narrow = simultaneous(runs, [JOINT], GATED, [MEAN]).iloc[0]
    wide = simultaneous(runs, many, GATED, [MEAN]).iloc[0]
    assert wide["difference"] == narrow["difference"]
    assert wide["high"] - wide["low"] >= narrow["high"] - narrow["low"]


def test_equal_predictions_are_equal_and_widen_nothing(runs):
    alone = simultaneous(runs, [JOINT], GATED, [MEAN])
    both = simultaneous(runs, [JOINT, GATED], GATED, [MEAN])
    assert both.iloc[0].equals(alone.iloc[0])
    assert both["verdict"][1] == "equal"


def test_every_pair_and_task_has_its_interval(runs):
    found = simultaneous(runs, [JOINT, SEQUENTIAL], GATED, ["alpha", "gamma"])
    assert found[["first", "task"]].to_numpy().tolist() == [
        [name, task] for name in ("joint", "sequential") for task in ("alpha", "gamma")
    ]
    assert simultaneous(runs, [], GATED, [MEAN]).empty


def with_draws(record, missing):
    """Copy a record with so many of its bootstrap draws missing."""
    table = draw_table(record, record.mos)
    table[..., :missing] = np.nan
    return replace(record, draws=table, cache={})


def test_resamples_without_srcc_are_left_out(finished, runs):
    spoiled = {**runs, "other": [with_draws(finished("tsn"), 10)]}
    found = simultaneous(spoiled, [OTHER, JOINT], GATED, [MEAN])
    assert np.isfinite(found[["low", "high"]].to_numpy()).all()
    spoiled = {**runs, "other": [with_draws(finished("tsn"), 1000)]}
    found = simultaneous(spoiled, [OTHER], GATED, [MEAN])
    assert found["verdict"].tolist() == ["not resolved"]


def test_kept_draws_are_those_of_the_scores_to_16_bits(finished):
    record = finished("tsn")
    kept = with_draws(record, 0)
    for readout in record.readouts:
        np.testing.assert_allclose(
            draws(kept, readout, "beta"), draws(record, readout, "beta"), atol=1.6e-5
        )


def test_records_of_other_test_images_are_not_compared(finished):
    record = finished("tsn")
    other = replace(record, test_images=record.test_images | {"alpha": ["another.png"] * 6})
    with pytest.raises(RecordError, match="have other test images"):
        differences({"tsn": [record], "other": [other]}, OTHER, GATED)

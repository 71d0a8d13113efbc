"""What tables derive from a record, against a direct slow computation from its raw arrays."""

import math
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from scipy.stats import kendalltau, pearsonr, spearmanr

from tsniqa import metrics
from tsniqa.errors import ConfigError
from tsniqa.model.gating import AnalyticGate, softmin_weights
from tsniqa.seeds import derive_seed
from tsniqa.storage import upper_triangle
from tsniqa.study import evaluation as tables
from tsniqa.study.bootstrap import draws, resamples
from tsniqa.study.record import HeadEvent

ORDER = ("gamma", "alpha", "beta")
GATED = ("gated", "calibrated", "set", "latest", "oracle", "hard", "uniform", "centred")


def slow_analytic_weights(record, seen):
    """Softmax of 8 times a ridge regression with free intercepts, by its normal equations."""
    size = record.gate_features.shape[1] + 1
    normal, right = np.zeros((size, size)), []
    for task in sorted(seen):
        moments = np.zeros((size, size))  # of (1, feature), the mean over images
        moments[np.triu_indices(size)] = record.gate_sums[record.names.index(task)]
        moments = (moments + np.triu(moments, 1).T) / moments[0, 0]
        normal += moments / len(seen)
        right.append(moments[0] / len(seen))
    variance = (np.diag(normal) - normal[0] ** 2)[1:].mean()
    normal[range(1, size), range(1, size)] += 0.01 * variance
    images = np.column_stack([np.ones(len(record.gate_features)), record.gate_features])
    powers = np.exp(8 * images @ np.linalg.solve(normal, np.transpose(right)))
    return powers / powers.sum(axis=1, keepdims=True)


def slow_prediction(record, readout, seen, task):
    """Mix the recorded heads image by image, straight from the definition."""
    names = sorted(record.order)
    start = sum(len(record.test_images[name]) for name in names[: names.index(task)])
    rows, predictions = range(start, start + len(record.test_images[task])), []
    own = slow_analytic_weights(record, seen) if readout in ("calibrated", "set") else None
    if readout == "set":
        own[:] = own[rows.start : rows.stop].mean(axis=0)
    for row in rows:
        score, level = {}, {}
        for values, event in zip(record.scores, record.events, strict=True):
            if record.description.order_dependent and event.step > len(seen) - 1:
                continue  # what the heads say only later
            if event.head in (*seen, "shared"):
                score[event.head] = float(values[row])
                level[event.head] = event.mean, event.spread
        if readout == "single":
            predictions.append(score["shared"])
            continue
        if own is not None:
            standard = [(score[t] - level[t][0]) / level[t][1] for t in sorted(seen)]
            predictions.append(sum(w * s for w, s in zip(own[row], standard, strict=True)))
            continue
        weight = dict.fromkeys(seen, 0.0)
        for stage in range(2):
            near = {
                t: math.exp(-32.0 * float(record.distances[row, names.index(t), stage]))
                for t in seen
            }
            for t in seen:
                weight[t] += near[t] / sum(near.values()) / 2
        predictions.append(
            {
                "gated": sum(weight[t] * score[t] for t in sorted(seen)),
                "centred": sum(weight[t] * (score[t] - level[t][0]) for t in sorted(seen)),
                "hard": score[max(sorted(seen), key=lambda t: weight[t])],
                "uniform": sum(score[t] for t in seen) / len(seen),
                "latest": score[seen[-1]],
                "oracle": score.get(task, math.nan),
                "half": (score[seen[-1]] + sum(weight[t] * score[t] for t in sorted(seen))) / 2,
            }[readout]
        )
    return np.array(predictions)


def slow_matrices(record, readout, order):
    """S and the agreement by scipy, cell by cell."""
    size = len(order)
    s, agreement = np.full((size, size), np.nan), np.full((size, size), np.nan)
    for t in range(size):
        for k in range(t + 1):
            task = order[k]
            late = slow_prediction(record, readout, order[: t + 1], task)
            early = slow_prediction(record, readout, order[: k + 1], task)
            s[t, k] = spearmanr(late, record.mos[record.rows(task)]).statistic
            agreement[t, k] = spearmanr(late, early).statistic
    return s, agreement


@pytest.mark.parametrize("strategy", ["tsn", "separate", "head-only"])
@pytest.mark.parametrize("readout", GATED)
def test_matrices_equal_a_slow_computation_for_every_order(finished, strategy, readout):
    record = finished(strategy, ORDER)
    for order in permutations(ORDER):
        s, agreement = slow_matrices(record, readout, order)
        np.testing.assert_allclose(tables.srcc_matrix(record, readout, order), s, atol=1e-9)
        np.testing.assert_allclose(
            tables.agreement_matrix(record, readout, order), agreement, atol=1e-9
        )


@pytest.mark.parametrize("readout", [*GATED, "half", "single"])
def test_matrices_of_heads_that_later_tasks_change_equal_a_slow_computation(finished, readout):
    record = finished("sequential" if readout == "single" else "multihead", ORDER)
    assert readout in record.readouts
    s, agreement = slow_matrices(record, readout, ORDER)
    np.testing.assert_allclose(tables.srcc_matrix(record, readout), s, atol=1e-9)
    np.testing.assert_allclose(tables.agreement_matrix(record, readout), agreement, atol=1e-9)


def test_heads_that_later_tasks_change_have_no_other_order(finished):
    record = finished("multihead", ORDER)
    assert tables.states(record) == [ORDER[:1], ORDER[:2], ORDER]
    assert tables.summary(record, "oracle")["mSI"] < 1
    for readout in ("oracle", "latest", "gated"):
        with pytest.raises(ConfigError, match="in this order; it never was in the state after"):
            tables.srcc_matrix(record, readout, ORDER[::-1])


@pytest.mark.parametrize("strategy", ["tsn", "separate"])
def test_one_record_holds_the_results_of_every_other_order_bit_for_bit(finished, strategy):
    actual, other = finished(strategy, ("alpha", "beta", "gamma")), finished(strategy, ORDER)
    for readout in GATED:
        for derive in (tables.srcc_matrix, tables.agreement_matrix):
            derived = derive(other, readout, actual.order)
            assert derived.tobytes() == derive(actual, readout).tobytes()
        derived, measured = (
            tables.summary(other, readout, actual.order),
            tables.summary(actual, readout),
        )
        np.testing.assert_array_equal([*derived.values()], [*measured.values()])
        for size in (1, 2, 3):
            first = tables.predictions(actual, readout, actual.order[:size])
            second = tables.predictions(other, readout, actual.order[:size])
            assert first.keys() == second.keys()
            assert all(np.array_equal(first[task], second[task]) for task in first)


@pytest.mark.parametrize("strategy", ["tsn", "separate", "head-only"])
def test_stability_with_the_oracle_head_is_exactly_one(finished, strategy):
    record = finished(strategy, ORDER)
    for order in permutations(ORDER):
        assert tables.summary(record, "oracle", order)["mSI"] == 1.0
        lower = np.tril_indices(3)
        assert (tables.agreement_matrix(record, "oracle", order)[lower] == 1.0).all()


def test_right_after_the_first_task_every_readout_is_its_head(finished):
    record = finished("tsn", ORDER)
    first = record.head("gamma")[record.rows("gamma")]
    for readout in ("gated", "hard", "uniform", "latest", "oracle"):
        assert np.array_equal(tables.predictions(record, readout, ["gamma"])["gamma"], first)
    weights = softmin_weights(record.distances[:, [record.names.index("gamma")]])
    assert np.array_equal(weights, np.ones((len(weights), 1)))
    (level,) = [(event.mean, event.spread) for event in record.events if event.head == "gamma"]
    for readout in ("calibrated", "set"):
        standard = tables.predictions(record, readout, ["gamma"])["gamma"]
        np.testing.assert_allclose(standard, (first - level[0]) / level[1], rtol=1e-12)


def test_only_in_a_set_the_weights_of_an_image_depend_on_its_company(finished):
    record = finished("tsn", ORDER)
    weights = tables.analytic_weights(record, ORDER)
    assert np.array_equal(weights, tables.analytic_weights(record, ORDER[::-1]))
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-12)
    rows = record.rows("beta")
    heads = np.stack([record.head(task)[rows] for task in record.names], axis=1)
    mean, spread = np.array([record.level(task) for task in record.names]).T
    together = ((heads - mean) / spread) @ weights[rows].mean(axis=0)
    found = tables.predictions(record, "set", ORDER)["beta"]
    np.testing.assert_allclose(found, together, atol=1e-12)
    assert not np.allclose(found, tables.predictions(record, "calibrated", ORDER)["beta"])


@pytest.mark.parametrize("readout", ["gated", "calibrated"])
def test_what_gated_means_as_a_main_readout_is_the_presets_choice(finished, readout):
    preset = finished("tsn").description.preset.model_copy(update={"readout": readout})
    assert tables.meant_readout("gated", preset) == readout
    for other in ("half", "oracle", "single"):
        assert tables.meant_readout(other, preset) == other


def test_a_record_without_gates_says_so(finished):
    record = finished("sequential", ORDER)
    for weights in (tables.gate_weights, tables.analytic_weights):
        with pytest.raises(ConfigError, match="strategy 'sequential' has no gate"):
            weights(record, ORDER)


def test_joint_has_the_last_row_alone(finished):
    record = finished("joint", ORDER)
    matrix = tables.srcc_matrix(record, "single")
    assert np.isnan(matrix[:2]).all()
    assert np.isfinite(matrix[2]).all()
    assert np.isnan(tables.agreement_matrix(record, "single")).all()
    summary = tables.summary(record, "single")
    assert all(
        math.isnan(summary[name]) for name in ("mPI", "mSI", "mPSI", "mSRCC", "MPSR", "forgetting")
    )
    assert summary["mean SRCC"] == pytest.approx(matrix[2].mean())
    assert tables.states(record) == [ORDER]
    whole = tables.predictions(record, "single", ORDER[::-1])
    assert np.array_equal(whole["beta"], record.scores[0, record.rows("beta")].astype(float))
    for seen in (("gamma",), ("gamma", "alpha")):
        with pytest.raises(ConfigError, match="learned gamma, alpha, beta all at once; it never"):
            tables.predictions(record, "single", seen)


@pytest.mark.parametrize("strategy", ["tsn", "sequential"])
def test_the_summary_is_that_of_the_matrices(finished, strategy):
    record = finished(strategy, ORDER)
    readout = record.readouts[0]
    s, agreement = slow_matrices(record, readout, ORDER)
    summary = tables.summary(record, readout)
    assert summary["mPI"] == pytest.approx((s[0, 0] + s[1, 1] + s[2, 2]) / 3)
    stability = (1 + agreement[1, 0] + (agreement[2, 0] + agreement[2, 1]) / 2) / 3
    assert summary["mSI"] == pytest.approx(stability)
    assert summary["mPSI"] == pytest.approx((summary["mPI"] + summary["mSI"]) / 2)
    rows = s[0, 0] + (s[1, 0] + s[1, 1]) / 2 + s[2].sum() / 3
    assert summary["mSRCC"] == pytest.approx(rows / 3)
    assert summary["MPSR"] == pytest.approx(metrics.mpsr(s))
    assert summary["backward transfer"] == pytest.approx(metrics.backward_transfer(s))
    assert summary["forgetting"] == pytest.approx(metrics.forgetting(s))
    assert summary["mean SRCC"] == pytest.approx(s[2].mean())
    assert summary["weighted SRCC"] == pytest.approx(s[2].mean())  # equal test sets


def test_every_measure_is_tabulated_for_every_subset(finished):
    record = finished("tsn", ORDER)
    assert set(map(frozenset, tables.states(record))) == {
        frozenset(s) for size in (1, 2, 3) for s in permutations(ORDER, size)
    }
    table = tables.correlation_table(record, record.mos)
    assert table.shape == (7, 6, 3, 3)
    rated = replace(record, mos=None, correlations=table, cache={})
    functions = {"srcc": spearmanr, "plcc": pearsonr, "krcc": kendalltau}
    for seen in tables.states(record):
        for readout in record.tabulated:
            for task in ORDER:
                predicted = slow_prediction(record, readout, seen, task)
                for measure, function in functions.items():
                    expected = function(predicted, record.mos[record.rows(task)]).statistic
                    value = tables.srcc(record, readout, seen, task, measure)
                    assert value == pytest.approx(expected, abs=1e-9)
                    assert tables.srcc(rated, readout, seen, task, measure) == value


def test_bootstrap_draws_pair_between_records_and_equal_resampling_by_hand(finished):
    record, other = finished("tsn", ORDER), finished("sequential")
    rng = np.random.default_rng(derive_seed(0, "beta", "given"))
    indices = rng.integers(0, 6, (1000, 6))
    mos = record.mos[record.rows("beta")]
    for readout in GATED:
        drawn = draws(record, readout, "beta")
        predicted = slow_prediction(record, readout, ORDER, "beta")
        for draw in range(0, 1000, 97):
            if len(set(indices[draw])) > 1:
                resampled = spearmanr(predicted[indices[draw]], mos[indices[draw]]).statistic
                assert drawn[draw] == pytest.approx(resampled, abs=1e-6)
    assert np.array_equal(resamples(record, "beta"), resamples(other, "beta"))
    counts = np.stack([np.bincount(row, minlength=6) for row in indices])
    assert np.array_equal(resamples(record, "beta"), counts)  # every image a content of its own
    assert draws(other, "single", "beta").shape == (1000,)


def test_what_a_record_cannot_say_is_refused(finished):
    sequential, tsn = finished("sequential", ORDER), finished("tsn", ORDER)
    with pytest.raises(ConfigError, match="unknown readout 'gated'; valid readouts: single"):
        tables.srcc_matrix(sequential, "gated")
    with pytest.raises(
        ConfigError, match="valid readouts: calibrated, centred, gated, hard, latest"
    ):
        tables.predictions(tsn, "single", ORDER)
    never = "learned gamma, alpha, beta in this order; it never was in the state after"
    for seen in (("alpha",), ("alpha", "gamma"), ("beta", "alpha", "gamma")):
        with pytest.raises(ConfigError, match=never):
            tables.srcc(sequential, "single", seen, "alpha")
        with pytest.raises(ConfigError, match=never):
            tables.predictions(sequential, "single", seen)
    with pytest.raises(ConfigError, match=never):
        tables.srcc_matrix(sequential, "single", ("alpha", "beta", "gamma"))


def _sums(features):
    return upper_triangle(AnalyticGate().partial_fit(features, "a").sums_["a"])


def many_tasks(record, count):
    """A record of so many tasks, with random arrays."""
    random, names = np.random.default_rng(0), [f"task{i:02d}" for i in range(count)][::-1]
    info = record.description.tasks[0]
    tasks = [info.model_copy(update={"name": name}) for name in names]
    description = record.description.model_copy(update={"tasks": tasks})
    rows = 5 * count
    return replace(
        record,
        description=description,
        test_images={name: [f"{i}.png" for i in range(5)] for name in sorted(names)},
        events=[HeadEvent(i, name, 0.0, 1.0) for i, name in enumerate(names)],
        scores=random.uniform(-1, 1, (count, rows)).astype(np.float32),
        distances=random.uniform(0, 1, (rows, count, 2)).astype(np.float32),
        gate_features=random.uniform(0, 1, (rows, 4)).astype(np.float16),
        gate_sums=np.float32([_sums(random.uniform(0, 1, (9, 4))) for _ in names]),
        mos=random.normal(size=rows),
        cache={},
    )


def test_more_tasks_than_subsets_can_be_kept_of_still_have_every_readout_in_the_order_run(finished):
    record = many_tasks(finished("tsn", ORDER), tables.LARGEST_POWERSET + 1)
    assert len(tables.states(record)) < 20
    for readout in GATED:
        s, agreement = slow_matrices(record, readout, record.order)
        np.testing.assert_allclose(tables.srcc_matrix(record, readout), s, atol=1e-9)
        np.testing.assert_allclose(tables.agreement_matrix(record, readout), agreement, atol=1e-9)
    table = tables.correlation_table(record, record.mos)
    rated = replace(record, mos=None, correlations=table, cache={})
    with pytest.raises(ConfigError, match="does not tabulate the state after task00, task01"):
        tables.srcc_matrix(rated, "gated", record.names)

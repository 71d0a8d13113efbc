"""The same runs on two machines: numerical noise, verdicts, and claims below the noise."""

from dataclasses import replace

import numpy as np
import pytest

from tsniqa.errors import RecordError
from tsniqa.study import bootstrap
from tsniqa.study.bootstrap import MEAN
from tsniqa.study.evaluation import srcc_matrix
from tsniqa.study.machines import numerical_noise, record_set, shared_runs, verdicts


@pytest.fixture(autouse=True)
def few_references_suffice(monkeypatch):
    """Let the small records of these tests resolve something."""
    monkeypatch.setattr(bootstrap, "FEWEST_REFERENCES", 1)


def noise(here, published, label):
    return numerical_noise(here, published).xs(label, level="label").iloc[0]


def test_the_noise_is_the_largest_difference_of_final_results(finished):
    record = finished("tsn")
    scores, mos = record.scores.copy(), record.mos.copy()
    beta = next(row for row, event in enumerate(record.events) if event.head == "beta")
    place = record.rows("beta").start
    scores[beta, place] += 0.25
    scores[beta, place + 1] -= 0.5
    other = replace(record, scores=scores, cache={})
    found = noise([record], [other], "tsn oracle")
    assert (found["runs"], found["gate distances"]) == (1, 0)
    assert found["scores"] == pytest.approx(0.5, abs=1e-6)
    final = [srcc_matrix(one, "oracle")[-1] for one in (record, other)]
    assert found["SRCC"] == pytest.approx(np.abs(final[0] - final[1]).max())
    assert found["mean SRCC"] == pytest.approx(abs(final[0].mean() - final[1].mean()))
    mos[record.rows("beta")] *= -1
    turned = noise([record], [replace(record, mos=mos, cache={})], "tsn oracle")
    assert turned["scores"] == 0
    assert turned["SRCC"] == pytest.approx(2 * abs(final[0][record.order.index("beta")]))


def test_means_over_runs_are_noisy_as_means_not_as_runs(finished, reseeded):
    record = finished("sequential")
    here = [reseeded(record, 0, 0.1), reseeded(record, 1, -0.1)]
    found = noise(here, [reseeded(record, 0), reseeded(record, 1)], "sequential")
    assert found["SRCC"] == pytest.approx(0.1)
    assert found["mean SRCC"] == pytest.approx(0, abs=1e-12)
    assert np.isnan(found["gate distances"]), "a strategy without a gate has none"


def test_a_value_that_only_one_side_has_is_an_infinite_difference(finished):
    record = finished("sequential")
    constant = replace(record, scores=np.full_like(record.scores, 0.5), cache={})
    assert noise([constant], [record], "sequential")["SRCC"] == np.inf
    assert noise([constant], [constant], "sequential")["SRCC"] == 0


def test_only_runs_that_both_have_are_compared(finished, publish, tmp_path):
    publish(finished("tsn"), tmp_path / "a")
    publish(finished("sequential"), tmp_path / "b")
    assert shared_runs(tmp_path / "a", tmp_path / "b") == ([], [], [])
    assert shared_runs(tmp_path / "none", tmp_path / "b") == ([], [], [])
    here, published, rest = shared_runs(tmp_path / "b", tmp_path / "b")
    assert [one.strategy for one in (*here, *published)] == ["sequential"] * 2
    assert rest == []
    publish(finished("tsn"), tmp_path / "b")
    here, published, rest = shared_runs(tmp_path / "a", tmp_path / "b")
    assert [one.strategy for one in (*here, *published)] == ["tsn"] * 2
    assert [one.strategy for one in rest] == ["sequential"]


def test_records_of_one_run_with_other_shapes_are_refused(finished, publish, tmp_path):
    record = finished("tsn")
    publish(record, tmp_path / "a")
    publish(replace(record, scores=record.scores[:, 1:]), tmp_path / "b")
    with pytest.raises(RecordError, match="hold different values; delete") as caught:
        shared_runs(tmp_path / "a", tmp_path / "b")
    assert "\n" not in str(caught.value)


def with_strategy(record, name):
    config = record.config.model_copy(update={"strategy": name})
    return replace(record, description=record.description.model_copy(update={"config": config}))


@pytest.fixture
def machine(finished, reseeded):
    """Make the records of tsn and of a strategy that is better by so much in every task."""
    record = finished("tsn")
    return lambda by: [record, with_strategy(reseeded(record, 0, by), "head-only")]


def test_verdicts_from_the_same_records_are_the_same(machine):
    found = verdicts(machine(0.2), machine(0.2))
    oracle = found[found["second"] == "tsn oracle"]
    assert oracle["task"].tolist() == ["alpha", "beta", "gamma", MEAN]
    assert set(found["first"]) <= {"head-only oracle", "head-only calibrated"}
    assert set(found["verdict published"]) == {"higher"}
    assert not found[["changed", "below noise"]].any(axis=None)


def test_a_verdict_that_changed_is_told(machine):
    found = verdicts(machine(-0.2), machine(0.2))
    assert set(found["verdict here"]) == {"lower"}
    assert found["changed"].all()
    assert found["below noise"].all(), "0.2 against a noise of 0.4"


def test_a_claim_smaller_than_the_noise_is_told_though_no_verdict_changed(machine):
    found = verdicts(machine(0.5), machine(0.2))
    assert not found["changed"].any()
    assert found["below noise"].all(), "0.2 against a noise of 0.3"
    assert not verdicts(machine(0.2), machine(0.5))["below noise"].any()


def test_a_run_that_was_not_made_again_stands_on_both_sides(finished, machine):
    (tsn, better), (other, _) = machine(0.2), machine(0.0)
    moved = replace(other, scores=other.scores + other.scores**2, cache={})
    found = verdicts([moved], [tsn], [better])
    assert set(found["first"]) == {"head-only oracle", "head-only calibrated"}
    assert (found["difference here"] != found["difference published"]).any()
    untouched = with_strategy(tsn, "separate")
    assert verdicts([untouched], [untouched], [tsn, better])["first"].str.contains("separate").all()


def test_a_strategy_with_one_head_is_judged_by_it_and_none_without_the_reference(finished):
    joint, tsn = finished("joint"), finished("tsn")
    found = verdicts([tsn, joint], [tsn, joint])
    assert set(found["first"]) == {"joint"}
    assert verdicts([joint], [joint]).empty


def test_a_record_set_is_named_by_all_that_its_records_share(finished):
    record = finished("tsn")
    assert record_set(record).startswith("smoke on tiny in the order alpha, beta, gamma gate.n_")

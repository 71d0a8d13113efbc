"""Claims in words: judged by intervals or signs, over all runs, on the same images."""

from dataclasses import replace

import numpy as np
import pytest

from tsniqa.errors import ConfigError
from tsniqa.study import evaluation as tables
from tsniqa.study.claims import (
    DOES_NOT_HOLD,
    HOLDS,
    NOT_RESOLVED,
    NOT_RUN,
    claim_table,
    judge,
    verdict_counts,
)
from tsniqa.study.published import Claim, Published, load_published

ORDER = ("alpha", "beta", "gamma")
REVERSED = ORDER[::-1]


def claim(measure="mean SRCC", expected="higher", **fields):
    given = {
        "claim": "TSN is better.",
        "source": "paper",
        "where": "abstract",
        "first": {"strategy": "tsn", "use": "oracle"},
        "second": {"strategy": "sequential", "use": "single"},
    }
    return Claim(**given | fields, measure=measure, expected=expected)


@pytest.fixture
def publish(finished, tmp_path):
    """Store a run as a plain record in its preset's own order, with a given SRCC everywhere."""
    folder = tmp_path / "records"

    def store(strategy, value, seed=0, order=ORDER, noise=0.001, **description):
        record = finished(strategy, order)
        draws = tables.bootstrap_table(record, record.mos)
        random = np.random.default_rng(seed)
        draws = (value + noise * random.normal(size=draws.shape)).astype(np.float32)
        config = record.config.model_copy(update={"seed": seed, "overrides": {}, "backbone": None})
        preset = record.description.preset.model_copy(update={"tasks": ORDER})
        changes = {"config": config, "preset": preset, **description}
        changed = record.description.model_copy(update=changes)
        correlations = np.full_like(record.correlations, value)
        target = folder / f"{strategy}-{seed}-{order[0]}"
        target.mkdir(parents=True)
        replace(record, description=changed, correlations=correlations, draws=draws, mos=None).save(
            target
        )
        return folder

    return store


def test_a_claim_holds_if_the_interval_of_every_run_is_on_its_side(publish):
    for seed in (0, 1):
        publish("tsn", 0.9, seed)
        folder = publish("sequential", 0.5, seed)
    found = judge(claim(), folder, "smoke")
    assert found.verdict == HOLDS
    assert found.differences == pytest.approx((0.4, 0.4))
    assert len(found.intervals) == 2
    assert found.text.startswith("holds: +0.400 [+0.")
    assert judge(claim(expected="lower"), folder, "smoke").verdict == DOES_NOT_HOLD


def test_an_interval_around_zero_or_runs_that_disagree_resolve_nothing(publish):
    publish("tsn", 0.9, noise=0.5)
    folder = publish("sequential", 0.88, noise=0.5)
    assert judge(claim(), folder, "smoke").verdict == NOT_RESOLVED
    publish("tsn", 0.9, seed=1)
    publish("sequential", 0.5, seed=1)
    assert judge(claim(), folder, "smoke").verdict == NOT_RESOLVED


def test_measures_without_an_interval_need_two_runs_of_one_sign(publish):
    publish("tsn", 0.9)
    folder = publish("sequential", 0.5)
    one = judge(claim("mSRCC"), folder, "smoke")
    assert (one.verdict, one.intervals) == (NOT_RESOLVED, ())
    assert one.differences == pytest.approx((0.4,))
    publish("tsn", 0.7, seed=1)
    publish("sequential", 0.6, seed=1)
    assert judge(claim("mSRCC"), folder, "smoke").verdict == HOLDS
    assert judge(claim("mSRCC", "lower"), folder, "smoke").verdict == DOES_NOT_HOLD
    publish("tsn", 0.5, seed=2)
    publish("sequential", 0.6, seed=2)
    assert judge(claim("mSRCC"), folder, "smoke").verdict == NOT_RESOLVED


def test_stability_of_the_oracle_head_is_higher_than_that_of_fine_tuning(publish):
    for seed in (0, 1):
        publish("tsn", 0.9, seed)
        folder = publish("sequential", 0.9, seed)
    assert judge(claim("mSI"), folder, "smoke").verdict == HOLDS


def test_without_a_pair_on_the_same_images_and_network_it_is_not_run(publish, finished):
    folder = publish("tsn", 0.9)
    assert judge(claim(), folder, "smoke").text == NOT_RUN
    prints = finished("sequential").description.fingerprints | {"backbone": "another"}
    publish("sequential", 0.5, fingerprints=prints)
    assert judge(claim(), folder, "smoke").verdict == NOT_RUN
    assert judge(claim(), folder, "mini").verdict == NOT_RUN


def test_the_spread_over_orders_needs_two_orders_of_the_rival(publish):
    robust = claim("mSRCC", "lower", by="order spread")
    for seed in (0, 1):
        publish("tsn", 0.9, seed)
        folder = publish("sequential", 0.5, seed)
    assert judge(robust, folder, "smoke").verdict == NOT_RUN
    for seed in (0, 1):
        publish("sequential", 0.7, seed, REVERSED)
    found = judge(robust, folder, "smoke")
    assert found.verdict == HOLDS
    assert found.differences == pytest.approx((-0.2, -0.2))
    # Records in other orders leave the comparison in the preset's own order alone.
    assert judge(claim(), folder, "smoke").differences == pytest.approx((0.4, 0.4))


def test_the_table_has_a_column_a_preset_and_its_counts_add_up(publish, tmp_path):
    publish("tsn", 0.9)
    folder = publish("sequential", 0.5)
    source = {"citation": "A", "address": "B", "read": "C", "read_on": "2026-11-24"}
    papers = Published(sources={"paper": source}, claims={"better": claim()})
    table = claim_table(papers, folder, ["smoke", "mini"])
    assert table.columns.tolist() == ["claim", "source", "judged by", "smoke", "mini"]
    assert table.loc[0, "judged by"] == "mean SRCC: tsn oracle higher than sequential"
    assert table.loc[0, "smoke"].startswith("holds")
    assert verdict_counts(table, "mini") == (
        "mini, 1 claim: holds 0, does not hold 0, not resolved 0, not run 1"
    )


def test_a_claim_about_an_unknown_measure_or_use_is_refused(tmp_path):
    path = tmp_path / "published.yml"
    text = "{sources: {}, claims: {one: {claim: a, source: b, where: c, measure: %s, "
    sides = (
        "first: {strategy: tsn, use: %s}, second: {strategy: lwf, use: half}, expected: lower}}}"
    )
    path.write_text(text % "speed" + sides % "gated")
    with pytest.raises(ConfigError, match="unknown measure 'speed'"):
        load_published(path)
    path.write_text(text % "mSI" + sides % "single")
    with pytest.raises(ConfigError, match="unknown use 'single'"):
        load_published(path)

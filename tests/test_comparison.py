"""Records here and published: which belong together, how far they differ, what they cost."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from tsniqa.comparison import (
    compare,
    filters_unchanged,
    fingerprint_table,
    minutes,
    origin_table,
    published_like,
    published_runs,
    run_overview,
    version_table,
)
from tsniqa.errors import RecordError


def published(record, folder, **description):
    """Publish a record under its own name, with some fields of its description changed."""
    target = folder / record.description.run_id
    target.mkdir(parents=True)
    changed = record.description.model_copy(update=description)
    replace(record, description=changed).save(target)
    return target


def with_seed(record, seed):
    return record.config.model_copy(update={"seed": seed})


def test_a_record_does_not_differ_from_its_own_copy(finished, tmp_path):
    record = finished("tsn")
    published(record, tmp_path / "a")
    published(record, tmp_path / "b", device="another")
    table = compare(tmp_path / "a", tmp_path / "b")
    assert table["run"].tolist() == [record.description.run_id]
    assert table.loc[0, ["scores", "gate distances", "SRCC"]].tolist() == [0, 0, 0]
    assert table.loc[0, "published"] == "another"


def test_the_largest_absolute_difference_is_told_for_scores_and_correlations(finished, tmp_path):
    record = finished("tsn")
    published(record, tmp_path / "a")
    scores, correlations = record.scores.copy(), record.correlations.copy()
    scores[0, 1] += 0.25
    scores[1, 2] -= 0.5
    correlations[0, 0, 1, 0] += 0.125
    published(replace(record, scores=scores, correlations=correlations), tmp_path / "b")
    row = compare(tmp_path / "a", tmp_path / "b").iloc[0]
    assert row["scores"] == pytest.approx(0.5, abs=1e-6)
    assert row["SRCC"] == pytest.approx(0.125)
    assert row["gate distances"] == 0


def test_a_value_that_only_one_side_has_is_an_infinite_difference(finished, tmp_path):
    record = finished("tsn")
    correlations = record.correlations.copy()
    correlations[0, 0, 0, 0] = np.nan
    published(replace(record, correlations=correlations), tmp_path / "a")
    published(record, tmp_path / "b")
    assert compare(tmp_path / "a", tmp_path / "b").loc[0, "SRCC"] == np.inf
    assert compare(tmp_path / "a", tmp_path / "a").loc[0, "SRCC"] == 0


def test_a_strategy_without_a_gate_has_no_gate_distances_to_compare(finished, tmp_path):
    published(finished("sequential"), tmp_path / "a")
    assert np.isnan(compare(tmp_path / "a", tmp_path / "a").loc[0, "gate distances"])


def test_only_runs_that_both_have_are_compared(finished, tmp_path):
    published(finished("tsn"), tmp_path / "a")
    published(finished("sequential"), tmp_path / "b")
    table = compare(tmp_path / "a", tmp_path / "b")
    assert table.empty
    assert "SRCC" in table.columns
    assert compare(tmp_path / "none", tmp_path / "b").empty


def test_records_of_one_run_with_other_shapes_are_refused_in_one_line(finished, tmp_path):
    record = finished("tsn")
    published(record, tmp_path / "a")
    published(replace(record, scores=record.scores[:, 1:]), tmp_path / "b")
    with pytest.raises(RecordError, match="hold different values; delete") as caught:
        compare(tmp_path / "a", tmp_path / "b")
    assert "\n" not in str(caught.value)


def test_published_records_of_the_same_experiment_are_found_by_seed(finished, tmp_path):
    record = finished("tsn")
    for seed in (2, 1, 0):
        config = with_seed(record, seed)
        published(record, tmp_path / str(seed), config=config)
        shutil.move(tmp_path / str(seed) / record.description.run_id, tmp_path / f"run-{9 - seed}")
    found = published_like([record], tmp_path, [0, 1, 2, 3])
    assert [other.config.seed for other in found] == [1, 2], "the seed made here counts once"


@pytest.mark.parametrize("difference", ["strategy", "order", "backbone", "preset", "version"])
def test_published_records_of_another_experiment_are_left_out(difference, finished, tmp_path):
    record = finished("tsn")
    description = record.description
    config = with_seed(record, 1)
    update = {
        "strategy": {"config": config.model_copy(update={"strategy": "separate"})},
        "order": {"tasks": description.tasks[::-1]},
        "backbone": {"fingerprints": description.fingerprints | {"backbone": "another"}},
        "preset": {"preset": description.preset.model_copy(update={"shorter_side": 99})},
        "version": {"results_version": description.results_version + 1},
    }[difference]
    published(record, tmp_path, **{"config": config, **update})
    assert published_like([record], tmp_path, [1]) == []


def plain(record, **description):
    """Return a description as of a run of a preset in its own order, without overrides."""
    config = record.config.model_copy(update={"overrides": {}, "preset": "open"})
    preset = record.description.preset.model_copy(update={"tasks": tuple(record.order)})
    return {"config": config, "preset": preset, **description}


def test_the_published_runs_of_an_experiment_are_found_tsn_first(finished, tmp_path):
    for strategy in ("sequential", "tsn", "joint"):
        published(finished(strategy), tmp_path, **plain(finished(strategy)))
    found = published_runs(tmp_path, "open", 0)
    assert list(found) == ["tsn", "joint", "sequential"]
    assert [record.config.strategy for record in found["joint"]] == ["joint"]


def test_runs_of_another_backbone_or_order_are_not_put_beside_tsn(finished, tmp_path):
    record, joint = finished("tsn"), finished("joint")
    published(record, tmp_path, **plain(record))
    fingerprints = joint.description.fingerprints | {"backbone": "another"}
    published(joint, tmp_path, **plain(joint, fingerprints=fingerprints))
    sequential = finished("sequential")
    tasks = sequential.description.tasks[::-1]
    published(sequential, tmp_path, **plain(sequential, tasks=tasks))
    assert list(published_runs(tmp_path, "open", 0)) == ["tsn"]


def test_without_published_runs_the_command_that_makes_them_is_told(finished, tmp_path):
    published(finished("joint"), tmp_path, **plain(finished("joint")))
    with pytest.raises(RecordError, match="tsniqa run --no-page --preset open") as caught:
        published_runs(tmp_path, "open", 0)
    assert "\n" not in str(caught.value)
    with pytest.raises(RecordError, match="seed 3"):
        published_runs(tmp_path / "none", "open", 3)


def test_it_is_told_which_seeds_were_computed_here_and_which_were_read(finished):
    here = {"tsn": [finished("tsn")], "sequential": [finished("sequential")]}
    table = origin_table(here, {"tsn": [finished("tsn")] * 2, "sequential": []})
    assert table.iloc[0].tolist() == ["tsn", "0", "0, 0"]
    assert table.iloc[1].tolist() == ["sequential", "0", "–"]


def test_minutes_add_up_one_kind_of_time(finished):
    record = finished("tsn")
    timings = {"learning a": 60.0, "learning b": 30.0, "scoring a": 6.0}
    changed = replace(
        record, description=record.description.model_copy(update={"timings": timings})
    )
    assert minutes(changed, "learning") == 1.5
    assert minutes(changed, "scoring") == pytest.approx(0.1)


def test_the_overview_lists_runs_and_whether_their_filters_changed(finished, tmp_path):
    for strategy in ("tsn", "sequential"):
        published(finished(strategy), tmp_path)
    table = run_overview(tmp_path).set_index("strategy")
    assert table.loc["tsn", "filters"] == "unchanged"
    assert table.loc["tsn", "tasks"] == 3
    for strategy in ("tsn", "sequential"):
        unchanged = filters_unchanged(finished(strategy))
        assert (table.loc[strategy, "filters"] == "unchanged") == unchanged
    assert run_overview(tmp_path / "none").empty


def test_fingerprints_are_listed_once_with_the_number_of_their_records(finished, tmp_path):
    for strategy in ("tsn", "sequential"):
        published(finished(strategy), tmp_path)
    table = fingerprint_table(tmp_path, tmp_path / "none")
    assert table["name"].tolist() == ["resnet10t", "alpha", "beta", "gamma"]
    assert table["records"].tolist() == [2, 2, 2, 2]
    assert fingerprint_table(tmp_path / "none").empty


def test_versions_are_listed_by_the_sets_that_occur(finished, tmp_path):
    record = finished("tsn")
    published(record, tmp_path / "a")
    published(record, tmp_path / "b", versions=record.description.versions | {"torch": "9.9"})
    table = version_table(tmp_path / "a", tmp_path / "b", tmp_path / "a")
    assert table.columns.tolist() == ["set 1 (2 records)", "set 2 (1 record)"]
    assert table.loc["torch", "set 2 (1 record)"] == "9.9"

"""Results of many records: one tidy table, records of one experiment, differences of machines."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from tsniqa.errors import RecordError
from tsniqa.study.evaluation import SUMMARY, agreement_matrix, srcc_matrix, summary
from tsniqa.study.results import (
    ALL_TASKS,
    COLUMNS,
    find_experiment,
    find_records,
    largest_differences,
    require,
    results,
)

ORDER = ("gamma", "alpha", "beta")


def test_the_tidy_table_holds_every_cell_of_every_matrix(finished):
    record = finished("tsn", ORDER)
    table = results([record])
    assert list(table) == COLUMNS
    assert len(table) == 6 * (6 * 4 + len(SUMMARY)), "readouts x (cells x measures + summaries)"
    gated = table[table["readout"] == "gated"]
    for name, matrix in (
        ("srcc", srcc_matrix(record, "gated")),
        ("krcc", srcc_matrix(record, "gated", measure="krcc")),
        ("agreement", agreement_matrix(record, "gated")),
    ):
        cells = gated[gated["measure"] == name].pivot(index="step", columns="task", values="value")
        np.testing.assert_array_equal(cells[list(ORDER)].to_numpy(), matrix)
        assert cells.index.tolist() == [1, 2, 3]
    whole = gated[gated["task"] == ALL_TASKS].set_index("measure")["value"]
    assert whole.to_dict() == summary(record, "gated")
    assert set(gated.loc[gated["task"] == ALL_TASKS, "step"]) == {3}


def test_several_records_share_a_table_and_what_they_lack_is_missing(finished):
    records = [finished("tsn", ORDER), finished("joint", ORDER)]
    table = results(records, ["gated", "single"], ["srcc"])
    assert set(table["strategy"]) == {"tsn", "joint"}
    assert set(table["readout"]) == {"gated", "single"}
    joint = table[(table["strategy"] == "joint") & (table["measure"] == "srcc")]
    assert set(joint.dropna()["step"]) == {3}
    assert results([]).empty


def test_records_are_found_by_what_was_run(world, tmp_path):
    folder = tmp_path / "records"
    assert find_records(folder) == []
    made = [
        world.run(folder, "head-only", ("alpha", "beta")),
        world.run(folder, "head-only", ("beta", "alpha")),
        world.run(folder, "head-only", ("alpha",), seed=3),
    ]
    assert {r.folder for r in find_records(folder)} == {r.folder for r in made}
    assert len(find_records(folder, preset="smoke", strategy="head-only")) == 3
    assert find_records(folder, strategy="tsn") == []
    assert [r.folder for r in find_records(folder, seed=3)] == [made[2].folder]
    assert len(find_records(folder, task_order=None)) == 3
    (found,) = find_records(folder, task_order=["beta", "alpha"])
    assert found.folder == made[1].folder


def test_the_largest_difference_is_told_for_scores_and_correlations(finished, publish, tmp_path):
    record = finished("tsn")
    publish(record, tmp_path / "a")
    scores, mos = record.scores.copy(), record.mos.copy()
    scores[0, 1] += 0.25
    scores[1, 2] -= 0.5
    mos[record.rows("beta")] *= -1
    other = replace(record, scores=scores, mos=mos, cache={})
    publish(other, tmp_path / "b", device="another")
    row = largest_differences(tmp_path / "a", tmp_path / "b").iloc[0]
    assert (row["run"], row["published"]) == (record.description.run_id, "another")
    assert row["scores"] == pytest.approx(0.5, abs=1e-6)
    s = abs(srcc_matrix(record, "oracle"))[:, record.order.index("beta")]
    assert row["SRCC"] >= 2 * np.nanmax(s) - 1e-9, "the ranks of beta are turned round"
    assert row["gate distances"] == 0


def test_a_value_that_only_one_side_has_is_an_infinite_difference(finished, publish, tmp_path):
    record = finished("tsn")
    constant = record.scores.copy()
    constant[0] = 0.5
    publish(replace(record, scores=constant, cache={}), tmp_path / "a")
    publish(record, tmp_path / "b")
    assert largest_differences(tmp_path / "a", tmp_path / "b").loc[0, "SRCC"] == np.inf
    assert largest_differences(tmp_path / "a", tmp_path / "a").loc[0, "SRCC"] == 0


def test_only_runs_that_both_have_are_compared(finished, publish, tmp_path):
    publish(finished("tsn"), tmp_path / "a")
    publish(finished("sequential"), tmp_path / "b")
    assert largest_differences(tmp_path / "a", tmp_path / "b").empty
    assert largest_differences(tmp_path / "none", tmp_path / "b").empty
    row = largest_differences(tmp_path / "b", tmp_path / "b").iloc[0]
    assert (row["scores"], row["SRCC"]) == (0, 0)
    assert np.isnan(row["gate distances"]), "a strategy without a gate has none"


def test_records_of_one_run_with_other_shapes_are_refused(finished, publish, tmp_path):
    record = finished("tsn")
    publish(record, tmp_path / "a")
    publish(replace(record, scores=record.scores[:, 1:]), tmp_path / "b")
    with pytest.raises(RecordError, match="hold different values; delete") as caught:
        largest_differences(tmp_path / "a", tmp_path / "b")
    assert "\n" not in str(caught.value)


def test_published_records_of_the_same_experiment_are_found_by_seed(finished, publish, tmp_path):
    record = finished("tsn")
    for seed in (2, 1, 0):
        config = record.config.model_copy(update={"seed": seed})
        publish(record, tmp_path / str(seed), config=config)
        made = tmp_path / str(seed)
        shutil.copytree(made / "shared", tmp_path / "shared", dirs_exist_ok=True)
        shutil.move(made / record.description.run_id, tmp_path / f"run-{9 - seed}")
    found = find_experiment(tmp_path, "smoke", [0, 1, 3], like=record)
    assert [other.config.seed for other in found["tsn"]] == [0, 1]


@pytest.mark.parametrize(
    "difference", ["split", "order", "backbone", "preset", "version", "weight", "images"]
)
def test_records_of_another_experiment_are_left_out(difference, finished, publish, tmp_path):
    record = finished("tsn")
    description = record.description
    others = [task.model_copy(update={"fingerprint": "other"}) for task in description.tasks]
    update = {
        "split": {"config": record.config.model_copy(update={"split": "3"})},
        "images": {"tasks": others},
        "order": {"tasks": description.tasks[::-1]},
        "backbone": {"fingerprints": description.fingerprints | {"backbone": "another"}},
        "preset": {"preset": description.preset.model_copy(update={"shorter_side": 99})},
        "version": {"results_version": description.results_version + 1},
        "weight": {"preset": description.preset.model_copy(update={"weights": {"tsn": 3.0}})},
    }[difference]
    publish(record, tmp_path, **update)
    assert find_experiment(tmp_path, "smoke", [0], like=record) == {}


def test_weights_of_other_strategies_do_not_matter(finished, publish, tmp_path):
    record = finished("tsn")
    weighted = record.description.preset.model_copy(update={"weights": {"lwf": 3.0}})
    publish(record, tmp_path, preset=weighted)
    assert list(find_experiment(tmp_path, "smoke", [0], like=record)) == ["tsn"]


def test_records_that_differ_by_one_named_value_are_found_by_it(finished, publish, tmp_path):
    record = finished("tsn")
    config = record.config.model_copy(
        update={"overrides": record.config.overrides | {"memory": 20}, "strategy": "gdumb"}
    )
    preset = record.description.preset.model_copy(update={"memory": 20})
    publish(record, tmp_path, config=config, preset=preset)
    small = find_experiment(tmp_path, "smoke", [0], like=record, changed={"memory": 20})
    assert list(small) == ["gdumb"]
    assert find_experiment(tmp_path, "smoke", [0], like=record) == {}
    assert find_experiment(tmp_path, "smoke", [0], like=record, changed={"memory": 30}) == {}


def plain(record, **description):
    """Return a description as of a run of a preset in its own order, without overrides."""
    config = record.config.model_copy(update={"overrides": {}, "preset": "open"})
    preset = record.description.preset.model_copy(update={"tasks": tuple(record.order)})
    return {"config": config, "preset": preset, **description}


def test_the_find_experiment_of_an_experiment_are_those_like_tsn(finished, publish, tmp_path):
    for strategy in ("sequential", "tsn", "joint"):
        publish(finished(strategy), tmp_path, **plain(finished(strategy)))
    found = find_experiment(tmp_path, "open", [0])
    assert list(found) == ["tsn", "sequential", "joint"], "in the order they are registered"
    assert [record.config.strategy for record in found["joint"]] == ["joint"]
    assert find_experiment(tmp_path, "open", [1]) == {}


def test_without_tsn_the_command_that_makes_it_is_told(finished, publish, tmp_path):
    publish(finished("joint"), tmp_path, **plain(finished("joint")))
    runs = find_experiment(tmp_path, "open", [0])
    assert runs == {}
    with pytest.raises(RecordError, match="tsniqa run --preset open") as caught:
        require(runs, "tsn", "open", 3, "given")
    assert "seed 3" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert require({"tsn": ["a record"]}, "tsn", "open", 3, "given") == "a record"

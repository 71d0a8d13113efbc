"""Results of many records: tidy tables, and the records of one experiment."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from tsniqa.errors import RecordError
from tsniqa.metrics import interval
from tsniqa.study.bootstrap import draws
from tsniqa.study.config import load_preset
from tsniqa.study.evaluation import SUMMARY, agreement_matrix, srcc_matrix, summary
from tsniqa.study.results import (
    ALL_TASKS,
    COLUMNS,
    SUMMARY_KEYS,
    find_experiment,
    find_records,
    require,
    results,
    summary_table,
)

ORDER = ("gamma", "alpha", "beta")


def test_the_tidy_table_holds_every_cell_of_every_matrix(finished):
    record = finished("tsn", ORDER)
    table = results([record])
    assert list(table) == COLUMNS
    assert len(table) == 8 * (6 * 4 + len(SUMMARY)), "readouts x (cells x measures + summaries)"
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


def test_the_summary_holds_final_values_and_their_intervals(finished):
    record = finished("tsn", ORDER)
    changed = plain(record)
    record = replace(record, description=record.description.model_copy(update=changed))
    table = summary_table([record])
    assert table[SUMMARY_KEYS[:5]].drop_duplicates().to_numpy().tolist() == [
        ["open", "tiny", "tsn", 0, "given"]
    ]
    gated = table[table["readout"] == "gated"].set_index(["task", "measure"])
    final = srcc_matrix(record, "gated")[-1]
    row = gated.loc["gamma", "srcc"]
    expected = (final[0], *interval(draws(record, "gated", "gamma")))
    assert tuple(row[["value", "low", "high"]]) == pytest.approx(expected, abs=5.1e-5)
    mean = np.mean([draws(record, "gated", task) for task in ORDER], axis=0)
    row = gated.loc["mean", "srcc"]
    expected = (final.mean(), *interval(mean))
    assert tuple(row[["value", "low", "high"]]) == pytest.approx(expected, abs=5.1e-5)
    assert gated.loc[("run", "mPSI"), "value"] == round(summary(record, "gated")["mPSI"], 4)
    assert gated.loc[("weighted mean", "plcc"), ["low", "high"]].isna().all()
    assert not table.duplicated(SUMMARY_KEYS).any()


def test_the_summary_weighs_tasks_by_their_test_images(finished, reseeded):
    record = finished("tsn", ORDER)
    facts = record.description.model_copy(update=plain(record), deep=True)
    facts.tasks[0].images["test"] *= 4
    table = summary_table([replace(record, description=facts)])
    final = srcc_matrix(record, "uniform")[-1]
    row = table.query("readout == 'uniform' and task == 'weighted mean' and measure == 'srcc'")
    assert row["value"].item() == round(final @ [4, 1, 1] / 6, 4)


def test_the_summary_leaves_out_changed_runs_and_refuses_two_of_one_run(finished):
    record = finished("tsn", ORDER)
    assert summary_table([record]).empty, "its preset is changed"
    same = replace(record, description=record.description.model_copy(update=plain(record)))
    with pytest.raises(RecordError, match="are of the same run; delete the one") as caught:
        summary_table([same, same])
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


def test_runs_of_all_wanted_splits_are_found_whatever_their_parts(finished, publish, tmp_path):
    record = finished("tsn")
    others = [task.model_copy(update={"fingerprint": "other"}) for task in record.description.tasks]
    for split in ("0", "1", "given"):
        config = record.config.model_copy(update={"split": split})
        tasks = record.description.tasks if split == "given" else others
        publish(record, tmp_path, config=config, tasks=tasks, run_id=f"run-{split}")
        made = tmp_path / record.description.run_id
        shutil.move(made, tmp_path / f"run-{split}")
    found = find_experiment(tmp_path, "smoke", [0], ["given", "1"], like=record)
    assert [other.config.split for other in found["tsn"]] == ["1", "given"]
    fewer = [task.model_copy(update={"images": {"test": 1}}) for task in others]
    like = replace(record, description=record.description.model_copy(update={"tasks": fewer}))
    assert find_experiment(tmp_path, "smoke", [0], ["0"], like=like) == {}


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


@pytest.mark.parametrize(
    ("strategy", "path", "values"),
    [
        ("tsn", "schedule.released.ties", {"ties": True}),
        ("tsn-adapters", "weights.tsn-adapters", {"tsn-adapters": 4.0}),
    ],
)
def test_a_value_deep_in_the_preset_is_named_by_its_path(
    strategy, path, values, finished, publish, tmp_path
):
    record = finished("tsn")
    facts = record.description
    schedule = facts.preset.schedule
    update = {"weights": values}
    if path.startswith("schedule"):
        released = schedule.released.model_copy(update=values)
        update = {"schedule": schedule.model_copy(update={"released": released})}
    config = record.config.model_copy(update={"strategy": strategy})
    publish(record, tmp_path, config=config, preset=facts.preset.model_copy(update=update))
    (value,) = values.values()
    found = find_experiment(tmp_path, "smoke", [0], like=record, changed={path: value})
    assert list(found) == [strategy]
    assert find_experiment(tmp_path, "smoke", [0], like=record) == {}
    default = {"weights.tsn-adapters": 2} if strategy != "tsn" else {}
    assert find_experiment(tmp_path, "smoke", [0], like=record, changed=default) == {}


def test_records_of_fewer_training_images_are_another_experiment(finished, publish, tmp_path):
    record = finished("tsn")
    config = record.config.model_copy(update={"training_images": 5, "strategy": "joint"})
    publish(record, tmp_path, config=config)
    assert find_experiment(tmp_path, "smoke", [0], like=record) == {}


def plain(record, **description):
    """Return a description as of a run of a preset in its own order, without overrides."""
    config = record.config.model_copy(update={"overrides": {}, "preset": "open"})
    own = {"tasks": tuple(record.order), "rates": load_preset("open").rates}
    preset = record.description.preset.model_copy(update=own)
    return {"config": config, "preset": preset, **description}


def test_the_find_experiment_of_an_experiment_are_those_like_tsn(finished, publish, tmp_path):
    for strategy in ("sequential", "tsn", "joint"):
        publish(finished(strategy), tmp_path, **plain(finished(strategy)))
    found = find_experiment(tmp_path, "open", [0])
    assert list(found) == ["tsn", "sequential", "joint"], "in the order they are registered"
    assert [record.config.strategy for record in found["joint"]] == ["joint"]
    assert find_experiment(tmp_path, "open", [1]) == {}


def test_a_run_on_another_backbone_is_not_what_others_are_like(finished, publish, tmp_path):
    record = finished("tsn")
    facts = plain(record)
    own = {**facts, "config": facts["config"].model_copy(update={"backbone": None})}
    other = {**facts, "config": facts["config"].model_copy(update={"backbone": "another"})}
    prints = {**record.description.fingerprints, "backbone": "0" * 64}
    publish(record, tmp_path, **own)
    named = record.description.model_copy(update={"run_id": "z"})
    newer = replace(record, description=named)
    publish(newer, tmp_path, **other, fingerprints=prints, results_version=99)
    (found,) = find_experiment(tmp_path, "open", [0])["tsn"]
    assert found.config.backbone is None


def test_without_tsn_the_command_that_makes_it_is_told(finished, publish, tmp_path):
    publish(finished("joint"), tmp_path, **plain(finished("joint")))
    runs = find_experiment(tmp_path, "open", [0])
    assert runs == {}
    with pytest.raises(RecordError, match="tsniqa run --preset open") as caught:
        require(runs, "tsn", "open", 3, "given")
    assert "seed 3" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert require({"tsn": ["a record"]}, "tsn", "open", 3, "given") == "a record"

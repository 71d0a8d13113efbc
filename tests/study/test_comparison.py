"""Records here and published: which belong together, how far they differ, what they cost."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from tsniqa.errors import RecordError
from tsniqa.strategies import STRATEGIES
from tsniqa.study.comparison import (
    compare,
    image_milliseconds,
    joined,
    minutes,
    origin_table,
    published_runs,
    require,
)


def with_seed(record, seed):
    return record.config.model_copy(update={"seed": seed})


def test_a_record_does_not_differ_from_its_own_copy(finished, publish, tmp_path):
    record = finished("tsn")
    publish(record, tmp_path / "a")
    publish(record, tmp_path / "b", device="another")
    table = compare(tmp_path / "a", tmp_path / "b")
    assert table["run"].tolist() == [record.description.run_id]
    assert table.loc[0, ["scores", "gate distances", "SRCC"]].tolist() == [0, 0, 0]
    assert table.loc[0, "published"] == "another"


def test_the_largest_difference_is_told_for_scores_and_correlations(finished, publish, tmp_path):
    record = finished("tsn")
    publish(record, tmp_path / "a")
    scores, correlations = record.scores.copy(), record.correlations.copy()
    scores[0, 1] += 0.25
    scores[1, 2] -= 0.5
    correlations[0, 0, 1, 0] += 0.125
    publish(replace(record, scores=scores, correlations=correlations), tmp_path / "b")
    row = compare(tmp_path / "a", tmp_path / "b").iloc[0]
    assert row["scores"] == pytest.approx(0.5, abs=1e-6)
    assert row["SRCC"] == pytest.approx(0.125)
    assert row["gate distances"] == 0


def test_a_value_that_only_one_side_has_is_an_infinite_difference(finished, publish, tmp_path):
    record = finished("tsn")
    correlations = record.correlations.copy()
    correlations[0, 0, 0, 0] = np.nan
    publish(replace(record, correlations=correlations), tmp_path / "a")
    publish(record, tmp_path / "b")
    assert compare(tmp_path / "a", tmp_path / "b").loc[0, "SRCC"] == np.inf
    assert compare(tmp_path / "a", tmp_path / "a").loc[0, "SRCC"] == 0


def test_a_strategy_without_a_gate_has_no_gate_distances_to_compare(finished, publish, tmp_path):
    publish(finished("sequential"), tmp_path / "a")
    assert np.isnan(compare(tmp_path / "a", tmp_path / "a").loc[0, "gate distances"])


def test_only_runs_that_both_have_are_compared(finished, publish, tmp_path):
    publish(finished("tsn"), tmp_path / "a")
    publish(finished("sequential"), tmp_path / "b")
    table = compare(tmp_path / "a", tmp_path / "b")
    assert table.empty
    assert "SRCC" in table.columns
    assert compare(tmp_path / "none", tmp_path / "b").empty


def test_records_of_one_run_with_other_shapes_are_refused(finished, publish, tmp_path):
    record = finished("tsn")
    publish(record, tmp_path / "a")
    publish(replace(record, scores=record.scores[:, 1:]), tmp_path / "b")
    with pytest.raises(RecordError, match="hold different values; delete") as caught:
        compare(tmp_path / "a", tmp_path / "b")
    assert "\n" not in str(caught.value)


def test_published_records_of_the_same_experiment_are_found_by_seed(finished, publish, tmp_path):
    record = finished("tsn")
    for seed in (2, 1, 0):
        config = with_seed(record, seed)
        publish(record, tmp_path / str(seed), config=config)
        shutil.move(tmp_path / str(seed) / record.description.run_id, tmp_path / f"run-{9 - seed}")
    found = published_runs(tmp_path, "smoke", [0, 1, 3], like=record)
    assert [other.config.seed for other in found["tsn"]] == [0, 1]


@pytest.mark.parametrize(
    "difference", ["split", "order", "backbone", "preset", "version", "weight"]
)
def test_records_of_another_experiment_are_left_out(difference, finished, publish, tmp_path):
    record = finished("tsn")
    description = record.description
    config = with_seed(record, 1)
    update = {
        "split": {"config": config.model_copy(update={"split": "3"})},
        "order": {"tasks": description.tasks[::-1]},
        "backbone": {"fingerprints": description.fingerprints | {"backbone": "another"}},
        "preset": {"preset": description.preset.model_copy(update={"shorter_side": 99})},
        "version": {"results_version": description.results_version + 1},
        "weight": {"preset": description.preset.model_copy(update={"weights": {"tsn": 3.0}})},
    }[difference]
    publish(record, tmp_path, **{"config": config, **update})
    assert published_runs(tmp_path, "smoke", [1], like=record) == {}


def test_weights_of_other_strategies_do_not_matter(finished, publish, tmp_path):
    record = finished("tsn")
    weighted = record.description.preset.model_copy(update={"weights": {"lwf": 3.0}})
    publish(record, tmp_path, preset=weighted)
    assert list(published_runs(tmp_path, "smoke", [0], like=record)) == ["tsn"]


def test_records_that_differ_by_one_named_value_are_found_by_it(finished, publish, tmp_path):
    record = finished("tsn")
    config = record.config.model_copy(
        update={"overrides": record.config.overrides | {"memory": 20}, "strategy": "gdumb"}
    )
    preset = record.description.preset.model_copy(update={"memory": 20})
    publish(record, tmp_path, config=config, preset=preset)
    small = published_runs(tmp_path, "smoke", [0], like=record, changed={"memory": 20})
    assert list(small) == ["gdumb"]
    assert published_runs(tmp_path, "smoke", [0], like=record) == {}
    assert published_runs(tmp_path, "smoke", [0], like=record, changed={"memory": 30}) == {}


def plain(record, **description):
    """Return a description as of a run of a preset in its own order, without overrides."""
    config = record.config.model_copy(update={"overrides": {}, "preset": "open"})
    preset = record.description.preset.model_copy(update={"tasks": tuple(record.order)})
    return {"config": config, "preset": preset, **description}


def test_the_published_runs_of_an_experiment_are_those_like_tsn(finished, publish, tmp_path):
    for strategy in ("sequential", "tsn", "joint"):
        publish(finished(strategy), tmp_path, **plain(finished(strategy)))
    found = published_runs(tmp_path, "open", [0])
    assert list(found) == ["tsn", "sequential", "joint"], "in the order they are registered"
    assert [record.config.strategy for record in found["joint"]] == ["joint"]
    assert published_runs(tmp_path, "open", [1]) == {}


def test_runs_of_another_backbone_or_order_are_not_put_beside_tsn(finished, publish, tmp_path):
    record, joint = finished("tsn"), finished("joint")
    publish(record, tmp_path, **plain(record))
    fingerprints = joint.description.fingerprints | {"backbone": "another"}
    publish(joint, tmp_path, **plain(joint, fingerprints=fingerprints))
    sequential = finished("sequential")
    tasks = sequential.description.tasks[::-1]
    publish(sequential, tmp_path, **plain(sequential, tasks=tasks))
    assert list(published_runs(tmp_path, "open", [0])) == ["tsn"]


def test_without_tsn_the_command_that_makes_it_is_told(finished, publish, tmp_path):
    publish(finished("joint"), tmp_path, **plain(finished("joint")))
    runs = published_runs(tmp_path, "open", [0])
    assert runs == {}
    with pytest.raises(RecordError, match="tsniqa run --no-page --preset open") as caught:
        require(runs, "tsn", "open", 3, "given")
    assert "seed 3" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert require({"tsn": ["a record"]}, "tsn", "open", 3, "given") == "a record"


def test_a_run_that_was_made_here_and_published_counts_once(finished, reseeded):
    record = finished("tsn")
    again, other = reseeded(record, 0), reseeded(record, 1)
    runs = joined({"tsn": [record]}, {"tsn": [again, other], "joint": [finished("joint")]})
    assert runs["tsn"][0] is record
    assert runs["tsn"][1:] == [other]
    assert list(runs) == ["tsn", "joint"]


def test_it_is_told_which_seeds_were_computed_here_read_or_not_run(finished, reseeded):
    here = {"tsn": [finished("tsn")], "sequential": [finished("sequential")]}
    read = {"tsn": [reseeded(finished("tsn"), seed) for seed in (0, 2)], "own": [finished("joint")]}
    table = origin_table(here, read).set_index("strategy")
    assert table.loc["tsn"].tolist() == ["0", "2"], "a seed made here is not read"
    assert table.loc["sequential"].tolist() == ["0", "–"]
    assert table.loc["own"].tolist() == ["–", "0"]
    assert table.loc["lwf"].tolist() == ["–", "not run"]
    assert set(STRATEGIES) < set(table.index)


def test_the_time_an_image_takes_is_that_of_all_heads_on_the_last_task(finished):
    record = finished("tsn")
    images = len(record.description.test_images["gamma"])
    assert record.description.timings["all heads"] > 0
    described = record.description.model_copy(update={"timings": {"all heads": 3.0}})
    found = image_milliseconds(replace(record, description=described))
    assert found == pytest.approx(1000 * 3 / images)
    described = record.description.model_copy(update={"timings": {"scoring gamma": 3.0}})
    assert np.isnan(image_milliseconds(replace(record, description=described)))


def test_rated_tasks_with_other_images_are_another_experiment(finished, publish, tmp_path):
    record = finished("tsn")
    tasks = [task.model_copy(update={"fingerprint": "other"}) for task in record.description.tasks]
    publish(record, tmp_path, tasks=tasks)
    assert published_runs(tmp_path, "smoke", [0], like=record) == {}


def test_minutes_add_up_one_kind_of_time(finished):
    record = finished("tsn")
    timings = {"learning a": 60.0, "learning b": 30.0, "scoring a": 6.0}
    changed = replace(
        record, description=record.description.model_copy(update={"timings": timings})
    )
    assert minutes(changed, "learning") == 1.5
    assert minutes(changed, "scoring") == pytest.approx(0.1)

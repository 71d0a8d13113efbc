"""Images that are scored together, a head that is missing, and the study of gates as a whole."""

from dataclasses import replace

import numpy as np
import pytest

from tsniqa import metrics
from tsniqa.cli import gates as command
from tsniqa.errors import ConfigError, RecordError
from tsniqa.study import gates
from tsniqa.study.evaluation import srcc
from tsniqa.study.gate_inputs import gate_inputs
from tsniqa.study.gate_sets import GateStudy, left_out, set_curve, set_experiments, study_gates
from tsniqa.study.gates import MEAN, Setting, variant_rows

SETTING = Setting("analytic", "after", "3", penalty=0.01, hardness=8.0, levels="standardised")


@pytest.fixture(scope="module")
def inputs(finished, world, tmp_path_factory):
    return gate_inputs(finished("tsn"), world.data_root, tmp_path_factory.mktemp("features"))


@pytest.fixture
def few(monkeypatch):
    """Leave a small grid, so that the whole study takes a moment."""
    for name, values in {"CLUSTERS": (1, 4), "PENALTIES": (0.01, 1.0)}.items():
        monkeypatch.setattr(gates, name, values)
    for name in ("TEMPERATURES", "SHARPNESSES"):
        monkeypatch.setattr(gates, name, (2.0, 8.0))


def with_seed(inputs, seed):
    facts = inputs.record.description
    config = facts.config.model_copy(update={"seed": seed})
    record = replace(inputs.record, description=facts.model_copy(update={"config": config}))
    return replace(inputs, record=record, known={})


def test_one_image_alone_is_scored_as_by_itself_and_a_whole_task_as_a_set(inputs):
    curve = {row[:3]: row[3] for row in set_curve(inputs, SETTING)}
    for sharing, count in (("single", 1), ("set", 100)):
        expected = variant_rows(inputs, SETTING, sharing)
        names = [row[-3] for row in expected]
        assert names == ["alpha", "beta", "gamma", MEAN]
        for name, row in zip(names, expected, strict=True):
            assert curve[count, "set", name] == pytest.approx(row[-2])


def test_the_same_draws_are_made_again(inputs):
    assert set_curve(inputs, SETTING) == set_curve(inputs, SETTING)


def test_a_task_whose_head_is_left_out_is_scored_by_the_others(inputs):
    found = {row[1:3]: row[3] for row in left_out(inputs, SETTING)}
    record = inputs.record
    for task in record.names:
        others = [name for name in record.names if name != task]
        assert found["own head", task] == pytest.approx(srcc(record, "oracle", record.order, task))
        by_latest = [srcc(record, "latest", [other], task) for other in others]
        assert found["best other", task] == pytest.approx(max(by_latest))
        assert found["published", task] == pytest.approx(srcc(record, "gated", others, task))
        rows, columns = record.rows(task), [record.names.index(name) for name in others]
        levels = gates.level_table(inputs, "standardised", others)
        heads = (inputs.heads[rows][:, columns] - levels[:, 0]) / levels[:, 1]
        own = gates.weights(inputs, SETTING, others)[rows]
        expected = {"single": (own * heads).sum(axis=1), "set": heads @ own.mean(axis=0)}
        expected["uniform"] = heads.mean(axis=1)
        for way, scores in expected.items():
            assert found[way, task] == pytest.approx(metrics.srcc(scores, inputs.mos[rows]))


def test_a_folder_of_all_tasks_has_one_vector_of_weights(inputs):
    table = set_experiments(inputs, SETTING)
    mixed = table[table["experiment"] == "mixed"].set_index(["way", "task"])["srcc"]
    rows = inputs.record.rows("beta")
    own = gates.weights(inputs, SETTING).mean(axis=0)
    levels = gates.level_table(inputs, "standardised", inputs.record.names)
    scores = ((inputs.heads - levels[:, 0]) / levels[:, 1]) @ own
    assert mixed["set", "beta"] == pytest.approx(metrics.srcc(scores[rows], inputs.mos[rows]))


def test_settings_are_chosen_on_runs_that_no_result_uses(inputs, few, tmp_path):
    study = study_gates([with_seed(inputs, 7)], [inputs])
    compared = study.selection.query("readout == 'single'").set_index("family")["srcc"]
    assert {"uniform", "oracle", "published", "hard", "preset"} < set(compared.index)
    # The run is the same here, so what was best when it was chosen is what is read.
    analytic = study.selection.query("family == 'analytic'").groupby("readout")["srcc"].max()
    for sharing in gates.SHARING:
        read = study.chosen.query(
            "family == 'analytic' and readout == @sharing and `chosen for` == @sharing"
        ).set_index("task")["srcc"]
        assert read[MEAN] == pytest.approx(analytic[sharing])
    assert set(study.sets["experiment"]) == {"curve", "mixed", "left out"}
    paths = study.save(tmp_path, "smoke")
    assert [path.name for path in paths] == [
        "smoke-selection.csv", "smoke-chosen.csv", "smoke-sets.csv",
    ]  # fmt: skip
    again = GateStudy.load(tmp_path, "smoke")
    for table, stored in zip(study, again, strict=True):
        assert list(table.columns) == list(stored.columns)
        np.testing.assert_allclose(stored["srcc"], table["srcc"], atol=6e-5)
        assert stored["task" if "task" in stored else "tap"].tolist() == (
            table["task" if "task" in table else "tap"].tolist()
        )


def test_a_draw_that_results_use_is_refused(inputs):
    with pytest.raises(ConfigError, match=r"seed 0, split 'given' is among the runs to choose on"):
        study_gates([inputs], [with_seed(inputs, 1), inputs])


def test_a_study_needs_runs_of_both_kinds(inputs):
    with pytest.raises(ConfigError, match="at least one run to choose settings on"):
        study_gates([], [inputs])


def test_runs_of_several_backbones_are_refused(inputs):
    other = with_seed(inputs, 7)
    other.record.description.fingerprints = {"backbone": "other"}
    with pytest.raises(ConfigError, match="of several presets or backbones"):
        study_gates([other], [inputs])


def test_a_study_that_is_not_there_names_the_command(tmp_path):
    with pytest.raises(RecordError, match=r"of preset 'mini' in .*tsniqa gates --choose-on RUN"):
        GateStudy.load(tmp_path, "mini")


def test_the_command_writes_the_tables(world, tmp_path, few, capsys):
    runs = [world.run(tmp_path / "records", "head-only", seed=seed).folder for seed in (0, 7)]
    command.gates([runs[1]], [runs[0]], world.data_root, tmp_path / "gates")
    assert len(list((tmp_path / "gates").glob("smoke-*.csv"))) == 3
    assert "smoke-chosen.csv" in capsys.readouterr().out

"""Configurations: what is refused, presets with overrides, and the identity of a run."""

import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsniqa.errors import ConfigError
from tsniqa.model.backbone import load_card
from tsniqa.study.config import (
    RunConfig,
    check_order,
    identity,
    load_preset,
    parse_overrides,
    preset_names,
    resolve_run,
    run_config,
)
from tsniqa.synthetic.benchmark import MINI_TASKS
from tsniqa.training.schedules import Released


@pytest.mark.parametrize("name", preset_names())
def test_shipped_presets_are_valid_and_name_shipped_backbones(name):
    preset = load_preset(name)
    assert preset.name == name
    assert preset.description.endswith(".")
    assert len(set(preset.tasks)) == len(preset.tasks) == 6
    assert name not in ("mini", "smoke") or set(preset.tasks) == set(MINI_TASKS)
    assert load_card(preset.backbone).name == preset.backbone


def test_the_gate_of_the_main_presets_is_the_papers():
    for name in ("mini", "open", "paper"):
        gate = load_preset(name).gate
        assert (gate.n_clusters, gate.n_init, gate.temperature) == (128, 20, 32.0)


@pytest.mark.parametrize("name", preset_names())
def test_only_the_papers_preset_starts_and_reads_the_gate_as_the_paper_does(name):
    preset = load_preset(name)
    expected = ("k-means++", "gated") if name == "paper" else ("ward", "calibrated")
    assert (preset.gate.start, preset.readout) == expected
    changed = load_preset(name, {"readout": "gated", "gate.start": "ward", "gate.penalty": 0.1})
    assert (changed.readout, changed.gate.start, changed.gate.penalty) == ("gated", "ward", 0.1)


def test_both_gates_have_the_options_of_the_preset():
    options = {"gate.n_clusters": 7, "gate.penalty": 0.5, "gate.sharpness": 3.0}
    kmeans, analytic = load_preset("mini", options).gate.gates()
    expected = {"n_clusters": 7, "n_init": 20, "temperature": 32.0, "start": "ward"}
    assert kmeans.get_params() == expected
    assert analytic.get_params() == {"penalty": 0.5, "sharpness": 3.0}


@given(
    epochs=st.integers(0, 50),
    temperature=st.floats(0.1, 100),
    side=st.none() | st.integers(1, 2000),
)
def test_overrides_change_what_they_name_alone(epochs, temperature, side):
    expected = load_preset("smoke").model_dump()
    expected["schedule"]["normalization"]["epochs"] = epochs
    expected["gate"]["temperature"] = temperature
    expected["shorter_side"] = side
    overrides = {"schedule.normalization.epochs": epochs, "gate.temperature": temperature}
    assert load_preset("smoke", overrides | {"shorter_side": side}).model_dump() == expected


def test_any_strategy_may_be_given_a_rate_and_a_weight():
    preset = load_preset("smoke", {"rates.sequential": 0.001, "weights.tsn-adapters": 4})
    assert preset.rates["sequential"] == 0.001
    assert preset.weights["tsn-adapters"] == 4


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"schedule.normalization.epoch": 3}, "did you mean 'schedule.normalization.epochs'?"),
        ({"schedule.nothing.epochs": 3}, "unknown override 'schedule.nothing.epochs'"),
        ({"threads.count": 3}, "unknown override 'threads.count'"),
        ({"rates.tns": 0.1}, "unknown strategy 'tns'; did you mean 'tsn'?"),
        ({"": 3}, "unknown override ''"),
        (
            {"gate.n_clusters": -1},
            "preset 'smoke': gate.n_clusters: Input should be greater than 0",
        ),
        ({"schedule.head.epochs": 1.5}, "schedule.head.epochs: Input should be a valid integer"),
        (
            {"schedule.normalization.bn_statistics": "mine"},
            "normalization.bn_statistics: Input should be 'kept', 'batch' or 'first-epoch'",
        ),
        ({"rates": {"tsn": 0}}, "rates.tsn: Input should be greater than 0"),
        ({"head_feature": "all"}, "head_feature: Input should be 'final', 'stage' or 'multi'"),
        ({"schedule.released.tie": True}, "did you mean 'schedule.released.ties'?"),
        ({"tasks": 5}, "preset 'smoke': tasks: Input should be a valid tuple"),
    ],
)
def test_a_wrong_override_is_one_line(overrides, message):
    with pytest.raises(ConfigError) as caught:
        load_preset("smoke", overrides)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_preset_is_named_with_the_valid_ones():
    with pytest.raises(ConfigError, match=r"unknown preset 'papper'.*valid presets: mini, open"):
        load_preset("papper")


def test_values_that_notebooks_write_become_a_configuration():
    given = {"strategy": "joint", "task_order": ["a"], "seed": 3, "split": 4, "backbone": ""}
    assert run_config(**given, splits_from="", overrides={}) == RunConfig(
        preset="mini", strategy="joint", task_order=("a",), seed=3, split="4", backbone=None
    )
    with pytest.raises(ValueError, match="frozen"):
        run_config().seed = 1


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"seed": "three"}, "parameters: seed: Input should be a valid integer"),
        ({"seed": 1.5}, "parameters: seed: Input should be a valid integer"),
        ({"seed": -1}, "parameters: seed: Input should be greater than or equal to 0"),
        ({"preset": None}, "parameters: preset: Input should be a valid string"),
        ({"task_order": 3}, "parameters: task_order: Input should be a valid tuple"),
        ({"task_order": "a,b"}, "parameters: task_order: Input should be a valid tuple"),
        ({"task_order": ["a", None]}, "parameters: task_order.1: Input should be a valid string"),
        ({"sed": 1}, "parameters: sed: Extra inputs are not permitted"),
    ],
)
def test_a_value_of_the_wrong_type_or_range_is_one_line(fields, message):
    with pytest.raises(ConfigError) as caught:
        run_config(**fields)
    assert message in str(caught.value)
    assert str(caught.value).endswith("; correct the value")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("order", "message"),
    [
        ((), "the task order is empty; name at least one task"),
        (("a", "", "b"), "the task order has an empty name; put one comma"),
        (("b", "a", "b"), "the task order names b twice"),
    ],
)
def test_an_order_that_is_none_is_refused(order, message):
    with pytest.raises(ConfigError, match=message):
        check_order(order)


def test_a_memory_that_leaves_a_task_less_than_a_pair_is_refused(world):
    fine = world.overrides | {"memory": 6}
    assert world.resolve(strategy="icarl-v1", overrides=fine).preset.memory == 6
    with pytest.raises(
        ConfigError, match="memory is 5, which leaves some of 3 tasks less than a p"
    ):
        world.resolve(strategy="icarl-v1", overrides=fine | {"memory": 5})


def test_changes_of_a_preset_are_paths_with_yaml_values():
    changes = ["schedule.head.epochs=2", "gate.temperature = 8.5", "side=null", "a={live: 7}"]
    expected = {"schedule.head.epochs": 2, "gate.temperature": 8.5, "side": None, "a": {"live": 7}}
    assert parse_overrides(changes) == expected


@pytest.mark.parametrize("change", ["schedule.head.epochs", "=3", "  =3", "a={broken"])
def test_what_is_no_change_is_refused_with_an_example(change):
    with pytest.raises(ConfigError, match=r"is no change of a preset; write for instance schedule"):
        parse_overrides([change])


def test_identity_is_what_determines_results_and_nothing_else(world, tmp_path, dataset, card):
    identity = world.resolve().run_id
    assert identity.startswith("smoke-tsn-seed0-")
    others = [
        world.resolve("separate"),
        world.resolve(order=("beta", "alpha", "gamma")),
        world.resolve(order=("alpha", "beta")),
        world.resolve(seed=1),
        world.resolve(split="0"),
        world.resolve(overrides={"gate.temperature": 16.0}),
        world.resolve(training_images=5),
    ]
    assert len({identity, *(resolved.run_id for resolved in others)}) == 1 + len(others)
    overrides = {"tasks": ["alpha", "beta", "gamma"], "gate.temperature": 32.0}
    assert world.resolve(order=None, overrides=overrides).run_id == identity, "spelled otherwise"
    moved = shutil.copytree(world.data_root, tmp_path / "moved")
    copied = shutil.copytree(world.card.parent, tmp_path / "card", ignore=lambda *_: {"data"})
    config = world.config(backbone=str(copied / "tiny.yml"))
    assert resolve_run(config, moved, "cpu").run_id == identity
    arguments = {"channels": [8, 16, 24, 32], "stem_width": 8, "output_stride": 16}
    other = world.config(backbone=str(card(copied, arguments=arguments)))
    assert resolve_run(other, moved, "cpu").run_id != identity
    card(copied)
    labels = moved / "alpha" / "labels.csv"
    labels.write_text(labels.read_text().replace("0.3", "0.4", 1))
    assert resolve_run(config, moved, "cpu").run_id != identity


def test_a_strategys_own_weight_and_the_importance_are_part_of_its_runs_identity(world):
    def run_id(strategy, **overrides):
        return world.resolve(strategy, overrides=overrides).run_id

    assert run_id("lwf", weights={"lwf": 3.0, "ewc": 5.0}) != run_id("lwf")
    assert run_id("lwf", weights={"ewc": 5.0}) == run_id("lwf")
    assert run_id("gdumb", memory=20) != run_id("gdumb") == run_id("gdumb", memory=1000)
    assert run_id("ewc", importance="released") != run_id("ewc")


def test_a_rate_changes_the_identity_of_its_strategys_runs_alone_and_reaches_their_schedule(world):
    def plan(strategy, **overrides):
        return world.plan(strategy, overrides=overrides)

    own = {"tsn": 0.25, "lwf": 0.125}
    assert plan("tsn", rates=own).run_id != plan("tsn").run_id
    assert plan("tsn", rates={"lwf": 0.125}).run_id == plan("tsn").run_id
    assert plan("separate", rates=own).run_id == plan("separate").run_id
    for strategy, rate in own.items():
        plain, changed = (
            plan(strategy, **given).context.schedule for given in ({}, {"rates": own})
        )
        for step in ("normalization", "full"):
            expected = getattr(plain, step).model_copy(update={"learning_rate": rate})
            assert getattr(changed, step) == expected
        assert (changed.head, changed.released) == (plain.head, plain.released)
    assert plan("separate", rates=own).context.schedule == plan("separate").context.schedule


def test_the_presets_head_feature_takes_the_place_of_the_cards(world):
    def plan(feature):
        return world.plan(overrides={"head_feature": feature})

    stage, multi, cards = plan("stage"), plan("multi"), plan(None)
    assert cards.context.backbone.card == load_card(str(world.card))
    assert multi.context.backbone.card.head_feature == "multi"
    assert multi.strategy.new_head("alpha").weight.shape == (24 + 32 + 32,)
    assert stage.strategy.new_head("alpha").weight.shape == (32,)
    assert len({stage.run_id, multi.run_id, cards.run_id}) == 3


@pytest.mark.parametrize("habit", Released.model_fields)
def test_every_habit_of_the_released_code_can_be_switched_on_its_own(world, habit):
    for name in ("smoke", "mini", "open"):
        assert not getattr(load_preset(name).schedule.released, habit)
    assert getattr(load_preset("paper").schedule.released, habit)
    switched = world.plan(overrides={f"schedule.released.{habit}": True})
    assert switched.context.schedule.released == Released(**{habit: True})
    assert switched.run_id != world.plan().run_id


def test_weights_are_identified_without_being_loaded(world, tmp_path, monkeypatch):
    card, config = load_card(str(world.card)), world.config()
    preset = load_preset("smoke")

    def named(**changes):
        return identity(config, preset, card.model_copy(update=changes), {"alpha": "a"})

    assert named(sha256=None) == named()
    missing = named(weights=str(tmp_path / "none"), sha256=None)
    hub = named(weights="hub", sha256=None)
    assert len({named(), hub, missing}) == 3
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hub").write_bytes(b"no weights")
    assert named(weights="hub", sha256=None) == hub

"""Presets: shipped ones are whole, overrides change what they name and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsniqa.errors import ConfigError
from tsniqa.model.backbone import load_card
from tsniqa.paths import shipped
from tsniqa.study.presets import load_preset, preset_names
from tsniqa.synthetic.benchmark import MINI_TASKS


@pytest.mark.parametrize("name", preset_names())
def test_shipped_presets_are_valid_and_name_shipped_backbones(name):
    preset = load_preset(name)
    assert preset.name == name
    assert preset.description.endswith(".")
    assert len(set(preset.tasks)) == len(preset.tasks) == 6
    if (shipped("backbones") / f"{preset.backbone}.yml").is_file() or preset.backbone != "mini":
        assert load_card(preset.backbone).name == preset.backbone


@pytest.mark.parametrize("name", ["mini", "smoke"])
def test_presets_that_need_no_download_run_the_mini_tasks(name):
    assert set(load_preset(name).tasks) == set(MINI_TASKS)


def test_the_gate_of_the_main_presets_is_the_papers():
    for name in ("mini", "open", "paper"):
        gate = load_preset(name).gate
        assert (gate.clusters, gate.n_init, gate.temperature) == (128, 20, 32.0)


@given(
    epochs=st.integers(0, 50),
    temperature=st.floats(0.1, 100),
    side=st.none() | st.integers(1, 2000),
)
def test_overrides_change_what_they_name_alone(epochs, temperature, side):
    preset = load_preset(
        "smoke",
        {
            "schedule.normalization.epochs": epochs,
            "gate.temperature": temperature,
            "shorter_side": side,
        },
    )
    assert preset.schedule.normalization.epochs == epochs
    assert preset.gate.temperature == temperature
    assert preset.shorter_side == side
    plain = load_preset("smoke").model_dump()
    changed = preset.model_dump()
    changed["schedule"]["normalization"]["epochs"] = plain["schedule"]["normalization"]["epochs"]
    changed["gate"]["temperature"] = plain["gate"]["temperature"]
    changed["shorter_side"] = plain["shorter_side"]
    assert changed == plain


def test_an_override_of_the_default_is_the_default():
    assert load_preset("smoke", {"threads": load_preset("smoke").threads}) == load_preset("smoke")
    assert load_preset("smoke", {}) == load_preset("smoke", None)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"schedule.normalization.epoch": 3}, "did you mean 'schedule.normalization.epochs'?"),
        ({"schedule.nothing.epochs": 3}, "unknown override 'schedule.nothing.epochs'"),
        ({"threads.count": 3}, "unknown override 'threads.count'"),
        ({"": 3}, "unknown override ''"),
        ({"gate.clusters": -1}, "preset 'smoke': gate.clusters: Input should be greater than 0"),
        ({"schedule.head.epochs": 1.5}, "schedule.head.epochs: Input should be a valid integer"),
        (
            {"schedule.normalization.statistics": "mine"},
            "schedule.normalization.statistics: Input should be 'kept' or 'batch'",
        ),
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

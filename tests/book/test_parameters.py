"""Notebook parameters: what papermill passes on, checked."""

import pytest

from tsniqa.book.parameters import overrides, reject_unknown, run_config
from tsniqa.errors import ConfigError
from tsniqa.study.record import RunConfig


def test_known_parameters_and_what_ipython_adds_pass():
    namespace = dict.fromkeys(
        ["preset", "seed", "In", "Out", "get_ipython", "exit", "quit", "open"]
    )
    namespace |= {"_": 1, "__name__": "__main__", "_i1": "", "reject_unknown": reject_unknown}
    reject_unknown(namespace, "preset", "seed")


def test_a_misspelt_parameter_is_named_with_the_valid_ones():
    with pytest.raises(ConfigError) as caught:
        reject_unknown({"preset": "mini", "task_oder": []}, "preset", "task_order", "seed")
    assert str(caught.value) == (
        "unknown parameter 'task_oder'; did you mean 'task_order'? "
        "valid parameters: preset, seed, task_order"
    )


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, None),
        (["b", "a"], ("b", "a")),
        ("b,a", ("b", "a")),
        (" b , a ,", ("b", "a")),
        ("b", ("b",)),
        ("", ()),
        ([], ()),
    ],
)
def test_a_task_order_is_a_list_or_a_text_with_commas(given, expected):
    assert run_config("mini", "tsn", given).task_order == expected


def test_values_that_notebooks_write_become_a_configuration():
    config = run_config("mini", "joint", ["a"], seed=3, split=4, backbone="", overrides=None)
    assert config == RunConfig(
        preset="mini", strategy="joint", task_order=("a",), seed=3, split="4", backbone=None
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"seed": "three"}, "parameter seed: Input should be a valid integer"),
        ({"seed": 1.5}, "parameter seed: Input should be a valid integer"),
        ({"preset": 3}, "parameter preset: Input should be a valid string"),
        ({"task_order": 3}, "parameter task_order: Input should be a valid tuple"),
        ({"task_order": ["a", 3]}, "parameter task_order.1: Input should be a valid string"),
    ],
)
def test_a_value_of_the_wrong_type_is_one_line(fields, message):
    with pytest.raises(ConfigError) as caught:
        run_config(**({"preset": "mini", "strategy": "tsn"} | fields))
    assert message in str(caught.value)
    assert str(caught.value).endswith("; correct its value")
    assert "\n" not in str(caught.value)


def test_changes_of_a_preset_are_paths_with_yaml_values():
    changes = ["schedule.head.epochs=2", "gate.temperature = 8.5", "shorter_side=null"]
    assert overrides(changes) == {
        "schedule.head.epochs": 2,
        "gate.temperature": 8.5,
        "shorter_side": None,
    }
    assert overrides(["schedule.head.pairs={live: 7}"]) == {"schedule.head.pairs": {"live": 7}}


@pytest.mark.parametrize("change", ["schedule.head.epochs", "=3", "  =3", "a={broken"])
def test_what_is_no_change_is_refused_with_an_example(change):
    with pytest.raises(ConfigError, match=r"is no change of a preset; write for instance schedule"):
        overrides([change])

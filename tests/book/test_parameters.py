"""Notebook parameters: what papermill passes on, checked."""

import pytest

from tsniqa.book.parameters import reject_unknown
from tsniqa.errors import ConfigError


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

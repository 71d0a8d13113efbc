"""Tasks as units: what is kept of a model, or taken from another, says the same bits."""

import numpy as np
import pytest
import torch

from tsniqa.errors import ConfigError
from tsniqa.model.editing import forget_task, rename_task, take_task, task_fingerprint
from tsniqa.model.tsniqa import TSNIQA

IMAGES = [torch.rand(3, 40, 40, generator=torch.Generator().manual_seed(i)) for i in range(4)]


@pytest.fixture
def load(finished):
    return lambda order: TSNIQA.load(finished("tsn", order).folder / "model")


def same(one, two):
    left, right = one.state(), two.state()
    return left.keys() == right.keys() and all(torch.equal(left[k], right[k]) for k in left)


def test_merging_two_models_is_learning_in_one(load):
    whole, one, two = load(("alpha", "beta")), load(("alpha",)), load(("beta",))
    take_task(one, two, "beta")
    assert same(one, whole)
    assert one.profiles == whole.profiles
    for readout in ("gated", "calibrated", "set"):
        assert np.array_equal(one.predict(IMAGES, readout), whole.predict(IMAGES, readout))


def test_what_is_done_to_one_model_leaves_the_task_in_the_other_alone(load):
    one, two = load(("alpha",)), load(("beta",))
    before = {name: value.clone() for name, value in two.state().items()}
    take_task(one, two, "beta")
    one.double()
    one.heads["beta"].weight.data.zero_()
    assert all(torch.equal(value, before[name]) for name, value in two.state().items())


def test_forgetting_undoes_learning(load):
    whole = load(("alpha", "beta"))
    forget_task(whole, "beta")
    assert same(whole, load(("alpha",)))
    with pytest.raises(ConfigError, match=r"unknown task 'beta'; valid tasks: alpha"):
        forget_task(whole, "beta")


def test_renaming_changes_names_alone(load):
    model = load(("alpha", "beta"))
    before, prints = model.explain(IMAGES), task_fingerprint(model, "beta")
    rename_task(model, "beta", "zeta")
    after = model.explain(IMAGES)
    assert np.array_equal(after["head zeta"], before["head beta"])
    assert np.array_equal(after["weight alpha"], before["weight alpha"])
    assert task_fingerprint(model, "zeta") == prints != task_fingerprint(model, "alpha")
    for name, message in (
        ("alpha", "knows a task 'alpha' already"),
        ("a/b", "a task cannot be called 'a/b'"),
        ("shared", "a task cannot be called 'shared'"),
        (" ", "a task cannot be called ' '"),
        ("a\nb", "a task cannot be called 'a"),
        ("odd\udcff", r"a task cannot be called 'odd\\udcff'"),
    ):
        with pytest.raises(ConfigError, match=message):
            rename_task(model, "zeta", name)


def test_a_fingerprint_is_of_a_task_alone_and_of_all_its_bits(load):
    model = load(("alpha", "beta"))
    before = {task: task_fingerprint(model, task) for task in model.tasks}
    assert before["alpha"] == task_fingerprint(load(("alpha",)), "alpha")
    state = model.state()
    for name in state:
        if "beta" in name:
            changed = dict(state)
            changed[name] = state[name].clone()
            changed[name].view(-1)[0] += 1
            model.load_state(changed)
            assert task_fingerprint(model, "beta") != before["beta"], name
            assert task_fingerprint(model, "alpha") == before["alpha"], name


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda model: setattr(model, "shorter_side", 30), "image sizes"),
        (lambda model: setattr(model.gate, "temperature", 1.0), "gates"),
        (lambda model: setattr(model, "analytic", None), "gates"),
    ],
)
def test_models_of_different_kinds_share_no_tasks(load, change, what):
    one, two = load(("alpha",)), load(("beta",))
    change(two)
    with pytest.raises(ConfigError, match=f"different {what}"):
        take_task(one, two, "beta")
    assert one.tasks == ["alpha"]

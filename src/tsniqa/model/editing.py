"""Tasks of models as units: taken from another model, renamed, forgotten; two models merged.

A task is a state of the bank, a head with its level, centroids, sums, and a profile, none of which
depends on another task. So all of this is exact: what is kept says the same bits as before.
"""

import copy

from tsniqa.errors import ConfigError, unknown_name
from tsniqa.model.tsniqa import SHARED, TSNIQA
from tsniqa.storage import fingerprint

LONGEST = 100  # bytes of a task's name, of which names of files are made


def parts(model: TSNIQA, task: str) -> list[tuple[dict, str]]:
    """List where a model keeps a task: dictionaries, and its key in each.

    Raises:
        ConfigError: The model does not know the task.
    """
    if task not in model.heads:
        raise unknown_name("task", task, model.heads)
    return [(place, task) for place in _places(model) if task in place]


def task_fingerprint(model: TSNIQA, task: str) -> str:
    """Hash the bits of all that a task consists of but its profile (hex)."""
    own = {}
    for name, value in model.state().items():
        for start in (f"heads/{task}/", f"gate/{task}/", f"bank-{task}/", f"analytic/{task}"):
            if f"{name}/".startswith(start if start.endswith("/") else f"{start}/"):
                own[f"{start.partition('/')[0].partition('-')[0]} {name[len(start) :]}"] = value
    return fingerprint(own)


def take_task(model: TSNIQA, other: TSNIQA, task: str) -> None:
    """Put a task of another model into a model, in place of one of that name.

    Raises:
        ConfigError: The other model does not know the task, or is not of the same kind.
    """
    check_alike(model, other)
    found = parts(other, task)
    if task in model.heads:
        forget_task(model, task)
    mine = {id(theirs): own for own, theirs in zip(_places(model), _places(other), strict=True)}
    for place, key in found:
        mine[id(place)][key] = copy.deepcopy(place[key])
    model.to(model.backbone.device)


def rename_task(model: TSNIQA, old: str, new: str) -> None:
    """Give a task of a model another name.

    Raises:
        ConfigError: The model does not know the task, or knows one of the new name.
    """
    found = parts(model, old)
    check_name(new)
    if new in model.heads:
        raise ConfigError(f"the model knows a task '{new}' already; choose another name")
    for place, key in found:
        place[new] = place.pop(key)


def forget_task(model: TSNIQA, task: str) -> None:
    """Remove a task from a model; a ConfigError says that the model does not know it."""
    for place, key in parts(model, task):
        del place[key]


def check_name(task: str) -> None:
    """Raise a ConfigError if a task cannot be called so, as it names files."""
    odd = set(task) & set('/\\:*?"<>|') or not task.isprintable()
    if len(task.encode("utf-8", "backslashreplace")) > LONGEST:
        raise ConfigError(f"a task's name has {LONGEST} bytes at most; shorten '{task[:20]}...'")
    if not task.strip() or task in (".", "..", SHARED) or odd:
        name = task.encode("utf-8", "backslashreplace").decode()
        raise ConfigError(f"a task cannot be called '{name}'; take a plain name without / or \\")


def check_alike(model: TSNIQA, other: TSNIQA) -> None:
    """Raise a ConfigError unless two models have the same network, selection and gates."""
    for what, one, two in (
        ("networks", model.fingerprint(), other.fingerprint()),
        ("head features", model.backbone.card.head_feature, other.backbone.card.head_feature),
        ("kinds of adaptation", model.bank.select, other.bank.select),
        ("image sizes", model.shorter_side, other.shorter_side),
        ("gates", *(_gates(one) for one in (model, other))),
    ):
        if one != two:
            raise ConfigError(f"the two models have different {what}, so they cannot share tasks")


def _places(model: TSNIQA) -> list[dict]:
    gates = [model.gate.centroids_ if model.gate else {}]
    gates += [model.analytic.sums_ if model.analytic else {}]
    return [model.heads, model.levels, model.profiles, model.bank.states, *gates]


def _gates(model: TSNIQA) -> list:
    return [one and one.get_params() for one in (model.gate, model.analytic)]

"""A model in a folder: model.json, which says what it is, and one safetensors file a state."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from tsniqa.cards import saved_card
from tsniqa.errors import WeightsError, one_line
from tsniqa.model.backbone import load_backbone
from tsniqa.model.gating import AnalyticGate, KMeansGate
from tsniqa.model.normalization import NormalizationBank, State
from tsniqa.model.profiles import TaskProfile
from tsniqa.paths import shipped
from tsniqa.runtime import find_device
from tsniqa.storage import DESCRIPTION, load_tensors, save_tensors

if TYPE_CHECKING:
    from tsniqa.model.tsniqa import TSNIQA


def save_model(model: "TSNIQA", folder: str | Path) -> None:
    """Write a model into a folder: what a task has in common with the network is left out."""
    about = {
        "tasks": {task: model.owner(task) for task in model.tasks},
        "backbone": model.backbone.card.model_dump(mode="json"),
        "network": model.fingerprint(),
        "select": model.bank.select,
        "gate": model.gate.get_params() if model.gate else None,
        "analytic": model.analytic.get_params() if model.analytic else None,
        "shorter_side": model.shorter_side,
        "readout": model.readout,
        "profiles": {task: own.model_dump() for task, own in sorted(model.profiles.items())},
    }
    state = compact(model.state(), model.bank.initial)
    banks = [f"bank-{owner}" for owner in sorted(model.bank.states)]
    about["own"] = {bank: sum(name.startswith(f"{bank}/") for name in state) for bank in banks}
    save_tensors(folder, about, state)


def load_model(
    kind: type["TSNIQA"], folder: str | Path, device: str, allow_download: bool
) -> "TSNIQA":
    """Read a model of a class; see :meth:`tsniqa.model.tsniqa.TSNIQA.load`."""
    if not (Path(folder) / DESCRIPTION).exists() and (shipped("models") / folder).is_dir():
        folder = shipped("models") / folder
    device = find_device(device)
    about, state = load_tensors(folder)
    try:
        card = saved_card(about["backbone"], Path(folder), allow_download)
        backbone = load_backbone(card, device)
        bank = NormalizationBank(backbone.network, about["select"])
        gate, analytic = (
            None if about[name] is None else gate_kind(**about[name])
            for name, gate_kind in (("gate", KMeansGate), ("analytic", AnalyticGate))
        )
        model = kind(backbone, gate, bank, about["shorter_side"], analytic, about["readout"])
        for task, profile in about["profiles"].items():
            model.profiles[task] = TaskProfile.model_validate(profile)
        if model.fingerprint() != about["network"]:
            raise WeightsError(
                f"{folder}: the weights of backbone '{card.name}' are not those the model "
                "was learned on; restore the original weight file"
            )
        held = Counter(name.partition("/")[0] for name in state if name.startswith("bank-"))
        if held != Counter(about["own"]):
            raise ValueError("it lists other tasks than its files hold")
        model.load_state(expanded(state, model.bank.initial, about["own"]))
        owners = {task: model.owner(task) for task in model.tasks}
        known = [one.tasks_ for one in (gate, analytic) if one]
        if owners != about["tasks"] or any(tasks != model.tasks for tasks in known):
            raise ValueError("it lists other tasks than its files hold")
    except (ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise WeightsError(
            f"{folder}: model.json is not valid ({one_line(error)}); restore the folder"
        ) from error
    _try(model, folder)
    return model


def compact(state: State, initial: State) -> State:
    """Leave out what a state of the bank has of the network, and halve what loses nothing by it."""
    kept = {}
    for name, value in state.items():
        file, _, key = name.partition("/")
        own = initial.get(key) if file.startswith("bank-") else None
        if own is not None and own.dtype == value.dtype and torch.equal(own, value):
            continue
        if value.dtype == torch.float32 and torch.equal(value.half().float(), value):
            value = value.half()
        if file == "analytic" and torch.equal(value.float().double(), value):
            value = value.float()
        kept[name] = value
    return kept


def expanded(state: State, initial: State, banks: Iterable[str]) -> State:
    """Return the state that :func:`compact` was given, with the states ``bank-<task>`` named."""
    whole = {}
    for name, value in state.items():
        whole[name] = value.float() if value.dtype == torch.float16 else value
        if name.startswith("analytic/"):
            whole[name] = value.double()
    if any(value.dtype == torch.uint8 for name, value in whole.items() if name.startswith("bank-")):
        return whole  # bits of masks, of which none is left out
    own = {f"{bank}/{key}": value for bank in banks for key, value in initial.items()}
    return own | whole


def _try(model: "TSNIQA", folder: str | Path) -> None:
    """Raise a WeightsError if a head or a gate of a model does not say numbers of a grey image."""
    try:
        said = []
        if model.heads:
            reading = model.read([torch.full((3, 64, 64), 0.5)])
            readouts = [model.readout, *(["calibrated"] if model.analytic else [])]
            said = [model.table(reading, readout) for readout in readouts]
    except (RuntimeError, ValueError, IndexError, KeyError, TypeError) as error:
        raise WeightsError(
            f"{folder}: its parts do not fit together ({one_line(error)}); restore the folder"
        ) from error
    if not all(np.isfinite(table).all(axis=None) for table in said):
        raise WeightsError(
            f"{folder}: its heads or gates say no numbers; restore the folder, or learn anew"
        )

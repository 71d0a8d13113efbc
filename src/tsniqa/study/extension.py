"""Add a task to a saved TSN model: somebody's own rated dataset as the next of the stream."""

from pathlib import Path

from tsniqa.data import load_task
from tsniqa.data.cache import DecodedCache, decode_tasks
from tsniqa.data.task import check_task
from tsniqa.errors import ConfigError
from tsniqa.model.tsniqa import TSNIQA
from tsniqa.paths import cache_folder
from tsniqa.runtime import find_device, reproducible
from tsniqa.strategies.tsn import TSN
from tsniqa.study.presets import load_preset
from tsniqa.training.context import GateOptions, TrainingContext


def extend(
    model_folder: Path,
    name: str,
    out: Path,
    preset: str,
    seed: int,
    data_root: Path,
    device: str = "auto",
) -> float:
    """Learn one more task on top of a saved model, and save the result elsewhere.

    What the model knew is copied untouched: its banks, heads and centroids stay bitwise equal.

    Args:
        model_folder: A folder that :meth:`tsniqa.model.tsniqa.TSNIQA.save` wrote.
        name: The task's name, its folder under ``data_root``.
        out: Folder for the extended model; it must not exist.
        preset: Preset that gives the schedule.
        seed: Seed of the learning.
        data_root: Folder of datasets in the generic layout.
        device: ``"auto"``, or a torch device name.

    Returns:
        Best validation SRCC on the new task.

    Raises:
        ConfigError: The model knows the task already, or ``out`` exists.
        TsniqaError: The model, the preset or the data are unusable.
    """
    if out.exists():
        raise ConfigError(f"{out} exists already; give --out a new folder")
    chosen = load_preset(preset)
    model = TSNIQA.load(model_folder, find_device(device))
    if name in model.tasks:
        raise ConfigError(
            f"the model in {model_folder} knows a task '{name}' already; rename yours"
        )
    task = load_task(name, data_root, seed)
    check_task(task)
    gate = GateOptions(
        n_clusters=model.gate.n_clusters,
        n_init=model.gate.n_init,
        temperature=model.gate.temperature,
    )
    decoded = DecodedCache(cache_folder("decoded"), model.shorter_side)
    decode_tasks([task], decoded)
    context = TrainingContext(
        model.backbone, chosen.schedule, gate, seed, model.shorter_side, decoded=decoded
    )
    strategy = TSN(context)
    strategy.load_state(model.state())
    with reproducible(chosen.threads):
        history = strategy.learn(task, []).history
    strategy.save(out)
    return max(epoch.validation_srcc for epoch in history)

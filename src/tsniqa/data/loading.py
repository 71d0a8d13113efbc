"""Loading a task by its name: a drawn one of the mini benchmark, or a folder under a data root."""

from pathlib import Path

from tsniqa.data import catalogue
from tsniqa.data.cards import load_cards
from tsniqa.data.readers import labels_csv
from tsniqa.data.split_files import import_split
from tsniqa.data.splits import resplit
from tsniqa.data.task import Task
from tsniqa.errors import ConfigError, DataError, unknown_name
from tsniqa.paths import cache_folder


def load_task(
    name: str, data_root: Path, seed: int, split: str = "given", splits_from: Path | None = None
) -> Task:
    """Load a task by name: a mini task, made on first use and kept, or a dataset.

    Args:
        name: One of :func:`task_names`.
        data_root: Folder that holds one folder a dataset.
        seed: Seed of the run; a mini task is drawn from it, a dataset of images ignores it.
        split: ``"0"`` to ``"9"`` for a re-split by reference, or ``"given"``, which is split 0
            where nobody gave one.
        splits_from: Folder of published :mod:`tsniqa.data.split_files` that replace it, or None.

    Returns:
        The task, not yet checked (see :func:`tsniqa.data.task.check_task`).

    Raises:
        ConfigError: Unknown name or split, a name that is a path, or both kinds of split.
        DataError: The dataset's table cannot be used, or it is catalogued and not there.
    """
    from tsniqa.synthetic import benchmark

    if not name.strip() or name in (".", "..") or "/" in name or "\\" in name:
        raise ConfigError(
            f"task name '{name}' must be the plain name of a folder under {data_root}, not a path"
        )
    if name in benchmark.MINI_TASKS:
        task = labels_csv.read(name, benchmark.make_task(name, seed, cache_folder("mini")))
    elif source := catalogue.locate(name, data_root):
        task = catalogue.read(source)
    else:
        raise not_found(name, data_root)
    if splits_from is None:
        undivided = split == "given" and (task.table["split"] == "").all()
        return resplit(task, "0" if undivided else split)
    if split != "given":
        raise ConfigError(
            f"split '{split}' and the split files in {splits_from} exclude each other; give one"
        )
    return import_split(task, splits_from)


def not_found(name: str, data_root: Path) -> ConfigError | DataError:
    """Build the error for a dataset that is not there: how to get it, or which names there are."""
    card = load_cards().get(name)
    if card is None:
        return unknown_name("task", name, task_names(data_root))
    return DataError(
        f"dataset '{name}' is not under {data_root}: neither a folder '{name}' nor"
        f" {' or '.join(repr(folder) for folder in card.folders)} with {' or '.join(card.markers)}"
        f" in it; {card.how}"
    )


def task_names(data_root: Path) -> list[str]:
    """List the mini tasks in the benchmark's order, then the datasets under a data root."""
    from tsniqa.synthetic import benchmark

    found = [source.name for source in catalogue.sources(data_root)]
    return [*benchmark.MINI_TASKS, *(name for name in found if name not in benchmark.MINI_TASKS)]

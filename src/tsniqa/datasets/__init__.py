"""Where tasks come from: the simulated mini benchmark, or folders under a data root.

A reader a file; each turns one layout into a :class:`tsniqa.tasks.Task`.
"""

import os
from pathlib import Path

from tsniqa.datasets import labels_csv
from tsniqa.errors import ConfigError, unknown_name
from tsniqa.locations import project_root
from tsniqa.tasks import Task, resplit

CACHE_VARIABLE = "TSNIQA_CACHE"
"""Environment variable naming the folder where the mini benchmark is kept between runs."""


def load_task(name: str, data_root: Path, seed: int, split: str = "given") -> Task:
    """Load a task by name.

    A mini task is made on first use and kept (see :func:`mini_cache`); any other name is a folder
    under ``data_root`` in the generic layout (:mod:`tsniqa.datasets.labels_csv`).

    Args:
        name: One of :func:`task_names`.
        data_root: Folder that holds one folder a dataset.
        seed: Seed of the run; a mini task is drawn from it, a dataset of images ignores it.
        split: ``"given"``, or ``"0"`` to ``"9"`` for a re-split by reference.

    Returns:
        The task, not yet checked (see :func:`tsniqa.tasks.check_task`).

    Raises:
        ConfigError: Unknown name or split, or a name that is a path.
        DataError: The folder's table cannot be used.
    """
    from tsniqa.synthetic import benchmark

    if not name.strip() or name in (".", "..") or "/" in name or "\\" in name:
        raise ConfigError(
            f"task name '{name}' must be the plain name of a folder under {data_root}, not a path"
        )
    if name in benchmark.MINI_TASKS:
        folder = benchmark.make_task(name, seed, mini_cache())
    elif (Path(data_root) / name / labels_csv.LABELS).is_file():
        folder = Path(data_root) / name
    else:
        raise unknown_name("task", name, task_names(data_root))
    return resplit(labels_csv.read(name, folder), split)


def task_names(data_root: Path) -> list[str]:
    """List the names that :func:`load_task` knows: mini tasks, then the folders with labels.

    Args:
        data_root: Folder that holds one folder a dataset; it need not exist.

    Returns:
        The mini tasks in the benchmark's order, then the folders in name order.
    """
    from tsniqa.synthetic import benchmark

    found = sorted(path.parent.name for path in Path(data_root).glob(f"*/{labels_csv.LABELS}"))
    return [*benchmark.MINI_TASKS, *(name for name in found if name not in benchmark.MINI_TASKS)]


def mini_cache() -> Path:
    """Return the folder of the mini benchmark: ``$TSNIQA_CACHE``, else ``.runs/mini``.

    The latter lies in the checkout, or in the current folder for an installed package.
    """
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    return project_root() / ".runs" / "mini"

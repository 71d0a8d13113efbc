"""The memory of replay: which training images of earlier tasks may still be learned from.

As in the predecessor's released code (see :mod:`.multihead`): 1,000 images in all (the context's
``memory``), drawn at random, an even share for every task so far. There the old images are shuffled
again at every new task; here every task has one shuffled list, drawn from the seed and its name,
and keeps its start. So what is remembered depends on which tasks were seen, not on their order, and
nothing has to be stored to resume. What a small task leaves of its share, the others take.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from tsniqa.data.task import Task
from tsniqa.training.context import TrainingContext


def shares(sizes: Mapping[str, int], budget: int) -> dict[str, int]:
    """Share a budget among tasks of some sizes: all of a task, or as much as others but for one."""
    kept: dict[str, int] = {}
    # From the smallest on, so that what a small task leaves is there for the larger ones.
    for position, name in enumerate(sorted(sizes, key=lambda name: (sizes[name], name))):
        kept[name] = min(sizes[name], (budget - sum(kept.values())) // (len(sizes) - position))
    return kept


def remembered(context: TrainingContext, tasks: Sequence[Task]) -> list[Task]:
    """Return all tasks seen, in name order, of whose training parts only the memory is left."""
    kept = shares({task.name: len(task.part("train")) for task in tasks}, context.memory)
    by_name = sorted(tasks, key=lambda task: task.name)
    return [_shortened(task, kept[task.name], context) for task in by_name]


def _shortened(task: Task, count: int, context: TrainingContext) -> Task:
    """Keep so many training images, in table order, and everything else."""
    train = np.flatnonzero(task.table["split"] == "train")
    if count == len(train):
        return task
    shuffled = np.random.default_rng(context.seed_for(task.name, "memory")).permutation(train)
    left = np.setdiff1d(np.arange(len(task.table)), shuffled[count:])
    return replace(task, table=task.table.iloc[left].reset_index(drop=True))

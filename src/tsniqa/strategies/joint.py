"""Joint learning: one network and one head, trained on all tasks at once; the upper bound."""

from collections.abc import Sequence

from tsniqa.data.task import Task
from tsniqa.model.heads import LinearHead
from tsniqa.strategies.base import Lesson
from tsniqa.strategies.sequential import Sequential, TrainVal


class Joint(Sequential):
    """Fit one network and head to all tasks together."""

    name = "joint"
    all_at_once = True

    def lessons(self, task: Task, seen: Sequence[Task], head: LinearHead) -> TrainVal:
        """Return all tasks, in name order so that no order matters."""
        every = [Lesson(one, head) for one in sorted([*seen, task], key=lambda one: one.name)]
        return every, every

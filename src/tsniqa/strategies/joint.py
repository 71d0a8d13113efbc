"""Joint learning: one network and one head, trained on all tasks at once; the upper bound.

Pairs still come from one task at a time, since opinion scores of two datasets do not compare.
"""

from collections.abc import Sequence
from typing import ClassVar

from tsniqa.data.task import Task
from tsniqa.strategies.protocol import Learned
from tsniqa.strategies.sequential import Sequential


class Joint(Sequential):
    """Fit one network and head to all tasks together."""

    name: ClassVar[str] = "joint"
    all_at_once: ClassVar[bool] = True

    def learn(self, task: Task, seen: Sequence[Task]) -> Learned:
        """Fit to the union of all tasks, taken in name order so that no order matters."""
        return self._fit(sorted([*seen, task], key=lambda one: one.name), initial=True)

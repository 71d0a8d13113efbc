"""Replay with one head: sequential fine-tuning on every new task and a memory of the old ones.

The predecessor's SH-CL-Replay (see :mod:`.multihead`). Pairs come from one task or one memory
(:mod:`.memory`) at a time. There only the first task has a step one, and every step joins one batch
of each; here both steps replay, and batches of one task take turns. So a memory weighs as much as
the new task here, and batch statistics are those of one task.
"""

from collections.abc import Sequence

from tsniqa.data.task import Task
from tsniqa.model.heads import LinearHead
from tsniqa.strategies.base import Lesson
from tsniqa.strategies.memory import remembered
from tsniqa.strategies.sequential import Sequential, TrainVal


class ReplayShared(Sequential):
    """Fit one head and network to the new task together with the memory of the old ones."""

    name = "replay-shared"

    def lessons(self, task: Task, seen: Sequence[Task], head: LinearHead) -> TrainVal:
        """Return the new task and all memories to learn from, the new task to be judged by."""
        own = [Lesson(task, head)]
        memory = remembered(self.context, seen)
        return own + [Lesson(old, head, counted_as=task.name) for old in memory], own

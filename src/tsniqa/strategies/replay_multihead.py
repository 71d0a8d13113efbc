"""Multi-head replay: multi-head fine-tuning in which old heads go on learning from a memory.

The predecessor's MH-CL-Replay (see :mod:`.multihead`). Step two learns the new task and the
labelled memory of every old one (:mod:`.memory`), each with its own head and without weights
between them. There every step sums the losses of one batch of each; here batches of one task each
take turns. All heads learn at the schedule's rate of heads.
"""

from collections.abc import Sequence

from tsniqa.data.task import Task
from tsniqa.strategies.base import Lesson
from tsniqa.strategies.multihead import MultiHead


class ReplayMultiHead(MultiHead):
    """Multi-head fine-tuning with a memory for every old head."""

    name = "replay-multihead"

    def replayed(self, task: Task, seen: Sequence[Task]) -> list[Lesson]:
        """Return the memory of every seen task with the task's own head."""
        return self.memories(task, seen)

"""GDumb: after every task forget the network, and learn anew from a balanced memory alone.

Source: Prabhu, Torr and Dokania, ECCV 2020; for quality, the predecessor's released code (see
:mod:`.multihead`). It is joint learning on the memory of all tasks so far (:mod:`.memory`), the new
one included.
"""

from collections.abc import Sequence

from tsniqa.data.task import Task
from tsniqa.model.heads import LinearHead
from tsniqa.strategies.base import Learned, Lesson
from tsniqa.strategies.memory import remembered
from tsniqa.strategies.sequential import Sequential, TrainVal


class GDumb(Sequential):
    """Fit the initial network and one head to the memory, after every task."""

    name = "gdumb"

    def lessons(self, task: Task, seen: Sequence[Task], head: LinearHead) -> TrainVal:
        """Return the memory of all tasks so far."""
        every = [Lesson(one, head) for one in remembered(self.context, [*seen, task])]
        return every, every

    def learn(self, task: Task, seen: Sequence[Task]) -> Learned:
        """Start over from the initial network."""
        self.model.bank.states.clear()
        self.model.heads.clear()
        return super().learn(task, seen)

"""Sequential fine-tuning: one network and one head, trained on one task after another.

The baseline without any defence (``SH_CL`` in the predecessor's code, see :mod:`.multihead`).
"""

from collections.abc import Sequence

from tsniqa.data.task import Task
from tsniqa.model.heads import LinearHead
from tsniqa.model.readouts import Level
from tsniqa.model.tsniqa import SHARED
from tsniqa.strategies.base import Learned, Lesson, Strategy

TrainVal = tuple[list[Lesson], list[Lesson]]  # what to learn from, and what to be judged by


class Sequential(Strategy):
    """Continue training the same network and head on every new task."""

    name = "sequential"
    gated = False
    main_readout = "single"

    def lessons(self, task: Task, seen: Sequence[Task], head: LinearHead) -> TrainVal:
        """Return what both steps learn from and are judged by: the new task alone."""
        own = [Lesson(task, head)]
        return own, own

    def learn(self, task: Task, seen: Sequence[Task]) -> Learned:
        """Train head, then head and network, from where the last task left them."""
        self.start()
        model = self.model
        head = model.heads.get(SHARED) or self.new_head(SHARED)
        history = self.two_steps(task, seen, *self.lessons(task, seen, head))
        self.after_task(task, head)
        model.bank.store(SHARED)
        model.heads, model.levels = {SHARED: head}, {SHARED: Level(0.0, 1.0)}
        return Learned(history, dict(model.levels))

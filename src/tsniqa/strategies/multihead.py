"""Multi-head fine-tuning: one head a task on a network that every task changes; no defence.

The baseline MH-CL of *Continual Learning for Blind Image Quality Assessment* (Zhang et al., IEEE
TPAMI 2023, arXiv 2102.09717), and the ground that distillation, regularisation and replay build
on. Old heads stay as they were learned; what they say changes, because the network under them does.
The heads are mixed by the same K-means gate as TSN's, on features of the untouched network.
"""

from collections.abc import Sequence

from tsniqa.data.task import Task
from tsniqa.model.tsniqa import SHARED
from tsniqa.scoring.features import image_features
from tsniqa.strategies.base import Learned, Lesson, Strategy
from tsniqa.strategies.memory import remembered


class MultiHead(Strategy):
    """Continue training one network, with a new head for every task."""

    name = "multihead"

    def replayed(self, task: Task, seen: Sequence[Task]) -> list[Lesson]:
        """Return what step two learns from beside the task, each with the head that scores it."""
        return []

    def memories(self, task: Task, seen: Sequence[Task]) -> list[Lesson]:
        """Return the memory of every seen task with its own head; pairs count as the new task's."""
        return [
            Lesson(old, self.model.heads[old.name], counted_as=task.name)
            for old in remembered(self.context, seen)
        ]

    def learn(self, task: Task, seen: Sequence[Task]) -> Learned:
        """Learn a head on the present network, then both together; its level is that of now."""
        self.start()
        head = self.new_head(task.name)
        own = [Lesson(task, head)]
        history = self.two_steps(task, seen, own, own, self.replayed(task, seen))
        self.after_task(task, head)
        model, context = self.model, self.context
        features = image_features(self.backbone, context.images(task, "train").images)
        gate = context.reference_features(task, "train").gate
        model.bank.store(SHARED)
        model.keep_head(task.name, head, features)
        model.fit_gates(task.name, gate, context.seed_for(task.name, "gate"))
        return Learned(history, dict(model.levels))

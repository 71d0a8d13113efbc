"""TSN: frozen filters, one set of normalization parameters and one head for every task.

Source: Zhang, Ma, Zhai and Yang, IEEE TIP 33, 2024 (arXiv 2107.13429).
"""

from collections.abc import Sequence

from tsniqa.data.task import Task
from tsniqa.scoring.features import image_features
from tsniqa.strategies.base import Learned, Lesson, Strategy
from tsniqa.training.schedules import FinetuneSchedule


class TSN(Strategy):
    """Learn every task from the initial network, apart from all others.

    What is learned for a task depends on the seed and the task's name and data alone; so the final
    model is bitwise the same for every task order.
    """

    name = "tsn"
    select = "normalization"
    order_dependent = False

    def finetune_schedule(self) -> FinetuneSchedule | None:
        """Return the schedule of normalization."""
        return self.context.schedule.normalization

    def learn(self, task: Task, seen: Sequence[Task]) -> Learned:
        """Learn a head on the initial network, then head and normalization; put both away."""
        self.model.bank.load(None)
        head = self.new_head(task.name)
        own = [Lesson(task, head)]
        history = self.two_steps(task, seen, own, own)
        self.after_task(task, head)
        features = reference = self.context.reference_features(task, "train")
        if history[-1].step == "images":
            features = image_features(self.backbone, self.context.images(task, "train").images)
        seed = self.context.seed_for(task.name, "gate")
        self.model.add_task(task.name, head, features, reference.gate, seed)
        self.model.bank.load(None)
        return Learned(history, {task.name: self.model.levels[task.name]})

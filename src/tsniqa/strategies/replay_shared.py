"""Replay with one head: sequential fine-tuning on every new task and a memory of the old ones.

The baseline SH-CL-Replay of the released code of *Continual Learning for Blind Image Quality
Assessment* (Zhang et al., IEEE TPAMI 2023, arXiv 2102.09717). Labels of two datasets do not
compare, so pairs come from one task or one memory (:mod:`tsniqa.strategies.memory`) at a time.
There is no step one there but for the first task, and every step joins one batch of each into one
loss; here both steps replay, and batches of one task each take turns. So a memory weighs as much as
the new task here, by its images or, where a schedule counts pairs, by as many pairs; there, with
three or more old tasks, a pair of each is drawn a quarter as often as a new one. And batch
statistics are those of one task here, of the joined batch there. The best epoch is the new task's,
in both: validation images of old tasks would be a second memory.
"""

from collections.abc import Sequence
from typing import ClassVar

from tsniqa.data.task import Task
from tsniqa.scoring.features import image_features
from tsniqa.strategies.memory import memories
from tsniqa.strategies.protocol import Learned
from tsniqa.strategies.sequential import HEAD, Sequential
from tsniqa.training.trainer import LabelledFeatures, learn_images, warm_up


class ReplayShared(Sequential):
    """Fit one head and network to the new task together with the memory of the old ones."""

    name: ClassVar[str] = "replay-shared"

    def learn(self, task: Task, seen: Sequence[Task]) -> Learned:
        """Run both steps on the new task and the memories."""
        setting = self.setting
        memory = list(memories(setting, task, seen).values())
        train = [setting.images(task, "train"), *memory]
        validation = [setting.images(task, "val")]

        def features() -> list[list[LabelledFeatures]]:
            new = [self._features(task, part, initial=not seen) for part in ("train", "val")]
            old = [
                LabelledFeatures(image_features(self.backbone, images).head, mos, name)
                for images, mos, name in memory
            ]
            return [[new[0], *old], [new[1]]]

        seed = setting.seed_for(task.name, "step one")
        shown = (train, validation)
        history = warm_up(self.backbone, self.head, shown, features, setting.schedule.head, seed)
        step = self.step_two()
        if step.epochs:
            trained = list(self.backbone.network.parameters())
            seed = setting.seed_for(task.name, "step two")
            history += learn_images(
                self.backbone, self.head, trained, train, validation, step, seed
            )
        return Learned(history, {HEAD: 0.0})

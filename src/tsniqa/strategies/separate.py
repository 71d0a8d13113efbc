"""Separate: one fully fine-tuned network a task; an upper bound that forgets nothing."""

from tsniqa.strategies.tsn import TSN
from tsniqa.training.schedules import FinetuneSchedule


class Separate(TSN):
    """Fine-tune the whole network for every task, from the initial one."""

    name = "separate"
    select = "everything"
    main_readout = "oracle"

    def finetune_schedule(self) -> FinetuneSchedule:
        """Return the schedule of the whole network."""
        return self.context.schedule.full

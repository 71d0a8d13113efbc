"""The profile of a task: what a model says of images of the task that it has not learned from."""

import numpy as np

from tsniqa import metrics
from tsniqa.data.task import Task
from tsniqa.model.profiles import TaskProfile, fit_scale, percentiles
from tsniqa.model.tsniqa import TSNIQA, Reading


def profile_task(model: TSNIQA, task: Task, reading: Reading) -> TaskProfile:
    """Profile a learned task by its validation images, none of which was learned from.

    Args:
        model: Knows the task.
        task: The task.
        reading: What its own head alone, and the gates, say of these images.
    """
    heads, mos = reading.heads[:, 0].astype(np.float64), task.mos("val")
    level = model.levels[task.name]
    own = reading.distances[:, model.tasks.index(task.name)].mean(axis=1)
    scores = (heads - level.mean) / level.spread
    srcc = metrics.srcc(heads, mos) if np.isfinite(heads).all() else np.nan
    return TaskProfile(
        description=task.description,
        citation=task.citation,
        licence=task.licence,
        simulated=task.simulated,
        images=len(task.part("train")),
        held_out=len(mos),
        srcc=float(srcc) if np.isfinite(srcc) else None,
        mos_range=task.mos_range,
        scale=fit_scale(scores, mos, task.mos_range) if np.isfinite(heads).all() else None,
        distances=percentiles(own),
    )

"""Rated images: tasks, where they come from, their images, splits and checks."""

from tsniqa.data.loading import load_task, task_names
from tsniqa.data.task import Task

__all__ = ["Task", "load_task", "task_names"]

"""What every strategy offers; the study loop knows nothing else of it."""

import inspect
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple, Protocol

import numpy as np
from pydantic import BaseModel
from torch import Tensor

from tsniqa.data.images import ImageSet
from tsniqa.data.task import Task
from tsniqa.training.context import Setting
from tsniqa.training.schedules import ImageStep
from tsniqa.training.trainer import Epoch


class Learned(NamedTuple):
    """What a strategy says after it has learned a task.

    Attributes:
        history: The epochs of both steps.
        offsets: For every head whose scores changed, its mean score over the training images it
            was fitted to. Heads that are not named keep the scores they had.
    """

    history: list[Epoch]
    offsets: dict[str, float]


class ParameterCount(BaseModel):
    """Numbers of parameters.

    Attributes:
        learnable_per_task: Values trained when one task is learned.
        stored_per_task: Values that one more task adds to the model (the gate's included).
    """

    learnable_per_task: int
    stored_per_task: int


class Strategy(Protocol):
    """A way to learn a sequence of tasks.

    Attributes:
        name: The name it is known by.
        all_at_once: True if it is given all tasks together (``learn`` is then called once, with
            the last task, and all others as seen); it can then have only the last row of S.
        gated: True if it has one head a task, and a gate.
        drifting: True if a later task changes what the heads of earlier ones say; what a subset or
            another order of the tasks would give is then unknown.
        main_use: How its source uses its heads: ``gated``, ``half``, ``oracle`` or ``single``.
        default_weight: Its one main weight where the setting gives none; None if it has none.
    """

    name: ClassVar[str]
    all_at_once: ClassVar[bool]
    gated: ClassVar[bool]
    drifting: ClassVar[bool]
    main_use: ClassVar[str]
    default_weight: ClassVar[float | None]

    def __init__(self, setting: Setting) -> None:
        """Start with nothing learned."""

    def step_two(self) -> ImageStep | None:
        """Return the schedule of learning on images, or None where there is none."""

    @property
    def head_names(self) -> list[str]:
        """Names of the present heads, sorted."""

    def learn(self, task: Task, seen: Sequence[Task]) -> Learned:
        """Learn the next task of the stream; the seen ones came before it."""

    def heads(self, images: ImageSet, names: Sequence[str] | None = None) -> np.ndarray:
        """Return float32 scores [N, H] of the named heads (default: all, in name order)."""

    def distances(self, images: ImageSet) -> np.ndarray | None:
        """Return the gate's distances [N, T, stages], tasks in name order, or None without gate."""

    def parameters(self) -> ParameterCount:
        """Count what a task costs; at least one task has been learned."""

    def filters_fingerprint(self) -> str:
        """Return the fingerprint of the network's present filters."""

    def state(self) -> dict[str, Tensor]:
        """Return everything learned as CPU tensors, for resuming."""

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Replace everything learned by what :meth:`state` returned."""

    def save(self, folder: Path) -> None:
        """Write what scoring new images needs into a folder."""


def members() -> dict[str, str]:
    """Return what a strategy must have, and what each must hold: :class:`Strategy`, as a table.

    Returns:
        The docstring of each member as one line of plain text, by name: class attributes,
        then methods and properties, both in the order of the protocol.
    """
    attributes = inspect.getdoc(Strategy).partition("Attributes:")[2]
    found = dict(re.findall(r"^    (\w+): (.*(?:\n {5,}.*)*)", attributes, re.MULTILINE))
    for name, value in vars(Strategy).items():
        if name in found or name.startswith("_"):
            continue
        if inspect.isfunction(value) or isinstance(value, property):
            found[name] = inspect.getdoc(value)
    # Roles and double backquotes are marks for the builder of the book, not for readers.
    mark = re.compile(r"(?::\w+:)?`+~?([^`]+)`+")
    return {name: " ".join(mark.sub(r"\1", text).split()) for name, text in found.items()}

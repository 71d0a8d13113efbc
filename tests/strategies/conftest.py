"""What tests of strategies share: learning a few tiny tasks, and what came of it."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from tsniqa.strategies import Strategy
from tsniqa.strategies.base import Learned


@dataclass
class Lessons:
    """A strategy, the tasks it has learned, and what it said, and its state, after each."""

    strategy: Strategy
    tasks: list
    results: list[Learned]
    states: list[dict]

    @property
    def context(self):
        return self.strategy.context

    @property
    def model(self):
        return self.strategy.model

    @property
    def state(self):
        return {name: value.clone() for name, value in self.strategy.state().items()}

    def go_on(self, task) -> Learned:
        """Learn one more task."""
        self.results.append(self.strategy.learn(task, list(self.tasks)))
        self.tasks.append(task)
        self.states.append(self.state)
        return self.results[-1]

    def scores(self, part="test", names=None) -> np.ndarray:
        """Heads' scores of a part of the first task."""
        images = self.context.images(self.tasks[0], part).images
        return self.model.read(images, names, gate=False)[0]

    def distances(self) -> np.ndarray | None:
        """The gate's distances of test images of the first task."""
        return self.model.read(self.context.images(self.tasks[0], "test").images)[1]


@pytest.fixture(scope="session")
def learn(world):
    """Learn tasks in an order.

    A strategy is a name or a class. Further keywords are fields of the training context, and
    ``overrides`` and ``seed`` of the run.
    """

    def run(strategy, order=("alpha", "beta"), *, overrides=None, seed=0, **own):
        name = strategy if isinstance(strategy, str) else "tsn"
        plan = world.plan(name, order or ("alpha",), seed=seed, overrides=overrides or {})
        for field, value in own.items():
            setattr(plan.context, field, value)
        made = plan.strategy if isinstance(strategy, str) else strategy(plan.context)
        lessons = Lessons(made, [], [], [])
        if made.all_at_once and order:
            lessons.tasks = plan.tasks[:-1]
            lessons.go_on(plan.tasks[-1])
        else:
            for task in plan.tasks[: len(order)]:
                lessons.go_on(task)
        return lessons

    return run


@pytest.fixture(scope="session")
def once(learn):
    """Learn as :func:`learn` does, but once a session: to look at, not to go on with."""
    known = {}

    def run(strategy, order=("alpha", "beta"), **own):
        key = repr((strategy, order, own))
        if key not in known:
            known[key] = learn(strategy, order, **own)
        return known[key]

    return run


@pytest.fixture(scope="session")
def equal():
    """Whether two states are the same bit for bit, but for names with some prefixes."""

    def compare(first, second, but=()):
        names = [{name for name in one if not name.startswith(but)} for one in (first, second)]
        return names[0] == names[1] and all(torch.equal(first[n], second[n]) for n in names[0])

    return compare

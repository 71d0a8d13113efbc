"""What every strategy is: a model that learns one task after another, and hooks into its learning.

A strategy derives from :class:`Strategy` or from one of three families: :class:`.TSN` (what a task
owns is kept apart from all others), :class:`.MultiHead` (a head a task on one network that goes on
learning) and :class:`.Sequential` (one head, one network).
"""

import copy
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple

import torch
from pydantic import BaseModel
from torch import Tensor, nn

from tsniqa.data.task import Task
from tsniqa.model.backbone import Backbone
from tsniqa.model.heads import LinearHead
from tsniqa.model.normalization import NormalizationBank
from tsniqa.model.readouts import Level
from tsniqa.model.tsniqa import SHARED, TSNIQA
from tsniqa.scoring.features import image_features
from tsniqa.storage import upper_triangle
from tsniqa.training.context import TrainingContext
from tsniqa.training.penalty import choose_penalty
from tsniqa.training.schedules import FinetuneSchedule
from tsniqa.training.trainer import Batch, Epoch, Learning, Source, fit, pair_loss


class Learned(NamedTuple):
    """The epochs of both steps, and levels of heads, each measured when its task is learned."""

    history: list[Epoch]
    levels: dict[str, Level]


class ParameterCount(BaseModel):
    """Values trained when a task is learned, and those it adds to the model with its gate."""

    learnable_per_task: int
    stored_per_task: int


class Lesson(NamedTuple):
    """A task to learn from, or to be judged by, and the head that scores it."""

    task: Task
    head: LinearHead
    counted_as: str = ""  # by whose name a schedule counts drawn pairs, if not the task's


class Strategy:
    """A way to learn a sequence of tasks; nothing is random but by the seed.

    The first seven attributes are those of the class, which a strategy sets.

    Attributes:
        name: The name it is known by.
        select: What a task, or all together, own of the network: one of :data:`.SELECTIONS`.
        gated: True with one head a task and a gate, False with one shared head.
        all_at_once: True if ``learn`` is called only once, with the last task, the others as seen.
        order_dependent: True if a later task changes what the heads of earlier ones say.
        main_readout: How its source reads its heads: ``gated`` (that is, by the preset's readout),
            ``half``, ``oracle`` or ``single``.
        default_weight: Its one main weight where the preset gives none; None if it has none.
        model: Everything learned that scoring needs, on a network of its own.
        carried: Tensors that only the learning of later tasks needs, by name.
    """

    name: ClassVar[str]
    select: ClassVar[str] = "everything"
    gated: ClassVar[bool] = True
    all_at_once: ClassVar[bool] = False
    order_dependent: ClassVar[bool] = True
    main_readout: ClassVar[str] = "gated"
    default_weight: ClassVar[float | None] = None

    def __init__(self, context: TrainingContext) -> None:
        self.context = context
        gate, analytic = context.gate.gates() if self.gated else (None, None)
        backbone = self.own_backbone()
        bank = NormalizationBank(backbone.network, self.select)
        self.model = TSNIQA(backbone, gate, bank, context.shorter_side, analytic)
        self.carried: dict[str, Tensor] = {}

    def own_backbone(self) -> Backbone:
        """Return the network that this strategy may change: a copy of the reference."""
        return copy.deepcopy(self.context.backbone)

    @property
    def backbone(self) -> Backbone:
        """The network, as it is now."""
        return self.model.backbone

    @property
    def weight(self) -> float:
        """The strategy's main weight: the preset's, or its own default."""
        own = self.context.weight
        return self.default_weight if own is None else own

    def learn(self, task: Task, seen: Sequence[Task]) -> Learned:
        """Learn the next task of the stream; the seen ones came before it."""
        raise NotImplementedError

    # Hooks: each does nothing, or the usual, until a strategy replaces it.

    def finetune_schedule(self) -> FinetuneSchedule | None:
        """Return the schedule of step two, or None if there is none."""
        return self.context.schedule.full

    def trained(self) -> Sequence[nn.Parameter]:
        """Return the parameters of the network that step two trains."""
        return self.model.bank.parameters()

    def companions(self) -> Sequence[tuple[nn.Module, float]]:
        """Return further modules that learn along in both steps, each with its initial rate."""
        return []

    def before_task(self, task: Task, seen: Sequence[Task]) -> None:
        """Prepare step two; the task's head has been warmed up."""

    def task_loss(self, batch: Batch) -> Tensor:
        """Return the loss of a batch in both steps."""
        return pair_loss(batch)

    def extra_loss(self, batch: Batch, task_loss: Tensor) -> Tensor | None:
        """Return what is added to the loss of a batch in step two, with gradient, or None."""
        return None

    def after_step(self) -> None:
        """Do what has to follow every step of the optimiser in step two."""

    def after_task(self, task: Task, head: LinearHead) -> None:
        """Remember what later tasks need of this one; the network is as the task has left it."""

    # What the families are made of.

    def start(self) -> None:
        """Bring the network to where the next task starts: as all tasks left it, or untouched."""
        self.model.bank.load(self.model.owner(SHARED))

    def new_head(self, name: str) -> LinearHead:
        """Draw the initial head of a task, or the shared one, by its name."""
        if self.context.schedule.released.shared_initial_head:
            name = SHARED
        generator = torch.Generator().manual_seed(self.context.seed_for(name, "head"))
        return LinearHead(self.context.backbone.head_width, generator)

    def two_steps(
        self,
        task: Task,
        seen: Sequence[Task],
        train: Sequence[Lesson],
        validation: Sequence[Lesson],
        more: Sequence[Lesson] = (),
    ) -> list[Epoch]:
        """Warm heads up with the network fixed, then train both (``more`` is for the latter)."""
        released = self.context.schedule.released
        learning = Learning(
            companions=self.companions(),
            loss=self.task_loss,
            adam={} if released.carried_adam else None,
            released=released,
            pairs_seed=self.seed_of("pairs", validation),
        )
        history: list[Epoch] = []
        if released.one_warm_up and SHARED in self.model.heads:
            chosen = self.carried.get("penalty")
            penalty = None if chosen is None else float(chosen)
        else:
            history, penalty = self.warm_up(train, validation, learning)
            if released.one_warm_up and penalty is not None:
                self.carried["penalty"] = torch.tensor(penalty, dtype=torch.float64)
        learning = learning._replace(head_decay=penalty)
        schedule = self.finetune_schedule()
        if schedule is None or not schedule.epochs:
            return history
        self.before_task(task, seen)

        def whole_loss(batch: Batch) -> Tensor:
            loss = self.task_loss(batch)
            extra = self.extra_loss(batch, loss)
            return loss if extra is None else loss + extra

        return history + fit(
            "images",
            schedule,
            self.backbone,
            train=self.as_sources([*train, *more], "train"),
            validation=self.as_sources(validation, "val"),
            seed=self.seed_of("step two", validation),
            learning=learning._replace(
                parameters=self.trained(),
                loss=whole_loss,
                after_step=self.after_step,
            ),
        )

    def warm_up(
        self, train: Sequence[Lesson], validation: Sequence[Lesson], learning: Learning
    ) -> tuple[list[Epoch], float | None]:
        """Learn heads on the network as it is; return the history, and the penalty if chosen."""
        schedule = self.context.schedule.head
        stored = not isinstance(schedule, FinetuneSchedule)
        seed = self.seed_of("step one", validation)
        sources = self.as_sources(train, "train", stored)
        judges = self.as_sources(validation, "val", stored)

        def judged(own: list[Source], held: list[Source], decay: float) -> list[Epoch]:
            heads = {source.head: copy.deepcopy(source.head) for source in own}
            own, held = (
                [one._replace(head=heads[one.head]) for one in kind] for kind in (own, held)
            )
            alone = Learning(head_decay=decay, released=learning.released)
            return fit("head", schedule, self.backbone, own, held, seed, alone)

        penalty = None
        if isinstance(schedule.weight_decay, tuple):
            penalty = choose_penalty(schedule.weight_decay, sources, judged)
        learning = learning._replace(head_decay=penalty)
        return fit("head", schedule, self.backbone, sources, judges, seed, learning), penalty

    def seed_of(self, step: str, validation: Sequence[Lesson]) -> int:
        """Derive the seed of a step from the names of the validation tasks."""
        return self.context.seed_for(" ".join(lesson.task.name for lesson in validation), step)

    def as_sources(
        self, lessons: Sequence[Lesson], part: str, stored: bool = False
    ) -> list[Source]:
        """Return a part of every lesson's task, with features if they are stored."""
        sources = []
        for task, head, counted_as in lessons:
            images = self.context.images(task, part)._replace(task=counted_as or task.name)
            features = None
            if stored and SHARED in self.model.bank.states:  # the network as tasks have left it
                features = image_features(self.backbone, images.images).head
            elif stored:
                features = self.context.reference_features(task, part).head
            sources.append(Source(images, head, features))
        return sources

    # What the study asks of every strategy.

    def parameters(self) -> ParameterCount:
        """Count what a task costs; at least one has been learned."""
        model, name = self.model, self.model.tasks[0]
        head = numbers(model.heads[name].state_dict().values())
        trained = numbers(self.trained()) if self.finetune_schedule() else 0
        stored = 0
        if self.gated:
            own = numbers(model.bank.states.get(name, {}).values())
            stored = own + head + self.gate_numbers()
        return ParameterCount(learnable_per_task=trained + head, stored_per_task=stored)

    def gate_numbers(self) -> int:
        """Count what both gates keep of a task, at most."""
        gate, sums = self.model.gate, self.model.analytic.sums_.values()
        return max(map(gate.stored, self.model.tasks)) + max(len(upper_triangle(s)) for s in sums)

    def filters_fingerprint(self) -> str:
        """Return the fingerprint of the network's filters as the tasks so far have left them."""
        self.start()
        return self.backbone.filters_fingerprint()

    def state(self) -> dict[str, Tensor]:
        """Return everything that going on after an interruption needs, as CPU tensors."""
        state = self.model.state() | {f"carried/{key}": own for key, own in self.carried.items()}
        return {name: value.detach().cpu().contiguous() for name, value in state.items()}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Replace everything learned by what :meth:`state` returned."""
        learned, self.carried = dict(state), {}
        for name in filter(lambda name: name.startswith("carried/"), state):
            own = learned.pop(name).to(self.backbone.device, copy=True)
            self.carried[name.removeprefix("carried/")] = own
        self.model.load_state(learned)

    def save(self, folder: Path) -> None:
        """Write a model that :meth:`tsniqa.model.tsniqa.TSNIQA.load` reads."""
        self.model.save(folder)


def numbers(tensors: Iterable[Tensor]) -> int:
    """Count the numbers in some tensors."""
    return sum(tensor.numel() for tensor in tensors)

"""The two steps of learning a task, as a preset describes them."""

from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Tag,
)

from tsniqa.errors import ConfigError

BatchNormStatistics = Literal["kept", "batch", "first-epoch"]


class HeadSchedule(BaseModel):
    """Step one: the head alone, on features computed once. The last state is always kept.

    Attributes:
        epochs: Passes over the training images (or drawn pairs).
        batch: Images (or drawn pairs) a batch, 2 to 256: gradients of more pairs than 256 images
            have are added up in no fixed order, even on a CPU.
        learning_rate: Adam's initial rate.
        weight_decay: Adam's L2 penalty. Of several, cross-validation within the training images,
            in folds disjoint in reference content, chooses one for every task; step two keeps it
            for the head.
        decay_every: The rate is divided by 10 after every so many epochs.
        pairs: Pairs to draw an epoch (or by task); None compares all images within a batch.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    epochs: NonNegativeInt
    batch: int = Field(ge=2, le=256)
    learning_rate: float = Field(gt=0, le=1e38)
    weight_decay: (
        NonNegativeFloat | Annotated[tuple[NonNegativeFloat, ...], Field(min_length=1)]
    ) = 5e-4
    decay_every: PositiveInt
    pairs: PositiveInt | dict[str, PositiveInt] | None = None

    def pairs_of(self, task: str) -> int | None:
        """Return the number of pairs to draw an epoch from a task.

        Raises:
            ConfigError: ``pairs`` gives a number a task, and none for this one.
        """
        if not isinstance(self.pairs, dict):
            return self.pairs
        if task not in self.pairs:
            raise ConfigError(
                f"the schedule's pairs name no number for task '{task}' (only for"
                f" {', '.join(self.pairs)}); add it, or give one number for all tasks"
            )
        return self.pairs[task]


class FinetuneSchedule(HeadSchedule):
    """Learning on augmented crops: step two, and where a schedule says so also step one.

    Attributes:
        weight_decay: Adam's L2 penalty on the network, and on a head whose own was not chosen.
        head_learning_rate: Adam's initial rate for the head; ``learning_rate`` is the network's.
        crop: Side of the square training crops in pixels.
        bn_statistics: Batch normalization standardises by the running statistics as they are
            (``kept``); by each ``batch``, whose statistics are collected; or the latter in the
            ``first-epoch`` alone, after which the collected ones stay (the released code).
    """

    weight_decay: NonNegativeFloat = 5e-4
    head_learning_rate: PositiveFloat
    crop: int = Field(ge=1, le=2048)
    bn_statistics: BatchNormStatistics

    def uses_batch_statistics(self, epoch: int) -> bool:
        """Tell whether an epoch, counted from 1, standardises by batches."""
        return self.bn_statistics == "batch" or (self.bn_statistics == "first-epoch" and epoch == 1)


class Released(BaseModel):
    """Habits of the authors' released code, each off unless a preset follows it.

    Attributes:
        shared_initial_head: All tasks' heads start from one draw, which keeps their levels near
            each other where rates are small.
        fixed_pairs: Drawn pairs are one list a task, for both steps, and every epoch shuffles it.
            Where all images of a batch are compared, the batches are formed once a step instead.
        carried_adam: Step two goes on with the head's moments of Adam of step one.
        ties: Pairs with equal opinions count, as if the second image were better.
        two_forwards: The two halves of a batch (of drawn pairs: the first and the second images)
            pass through the network one after the other, which matters to batch statistics.
        one_warm_up: Sequential fine-tuning has step one at its first task only.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    shared_initial_head: bool = False
    fixed_pairs: bool = False
    carried_adam: bool = False
    ties: bool = False
    two_forwards: bool = False
    one_warm_up: bool = False


def _step_kind(step: object) -> str:
    """Tell step one on crops, which gives their size, from step one on features."""
    fields = dict(step) if isinstance(step, dict | BaseModel) else {}
    return "on crops" if "crop" in fields else "on features"


class Schedule(BaseModel):
    """How a task is learned: step one, and step two of normalization or of the full network.

    A :class:`FinetuneSchedule` as step one learns on crops instead of features computed once.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    head: Annotated[
        Annotated[FinetuneSchedule, Tag("on crops")] | Annotated[HeadSchedule, Tag("on features")],
        Discriminator(_step_kind),
    ]
    normalization: FinetuneSchedule
    full: FinetuneSchedule
    released: Released = Released()

    def at_rate(self, rate: float | None) -> "Schedule":
        """Return the schedule with another initial rate for the network, if one is given."""
        if rate is None:
            return self
        own = {"learning_rate": rate}
        steps = {name: getattr(self, name) for name in ("normalization", "full")}
        return self.model_copy(update={k: step.model_copy(update=own) for k, step in steps.items()})

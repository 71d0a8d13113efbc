"""The two steps of learning a task, as a preset describes them."""

from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Tag,
)

from tsniqa.errors import ConfigError


class HeadSchedule(BaseModel):
    """Step one: the head alone, on features computed once.

    Attributes:
        epochs: Passes over the training images (or drawn pairs).
        batch: Images (or drawn pairs) a batch, at least 2.
        learning_rate: Adam's initial rate.
        weight_decay: Adam's L2 penalty.
        decay_every: The rate is divided by 10 after every so many epochs.
        pairs: Pairs to draw an epoch (or by task); None compares all images within a batch.
        keep: The state of the ``best`` validation SRCC, perhaps before any epoch, or the ``last``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    epochs: NonNegativeInt
    batch: int = Field(ge=2)
    learning_rate: PositiveFloat
    weight_decay: float = 5e-4
    decay_every: PositiveInt
    pairs: PositiveInt | dict[str, PositiveInt] | None = None
    keep: Literal["best", "last"] = "best"

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
        head_learning_rate: Adam's initial rate for the head; ``learning_rate`` is the network's.
        crop: Side of the square training crops in pixels.
        statistics: Running ones are ``"kept"``, or learned by training with each ``"batch"``'s own.
    """

    head_learning_rate: PositiveFloat
    crop: PositiveInt
    statistics: Literal["kept", "batch"]


class Schedule(BaseModel):
    """How a task is learned: step one, and step two of normalization or of the full network.

    A :class:`FinetuneSchedule` as step one learns on crops instead of features computed once.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    head: Annotated[
        Annotated[FinetuneSchedule, Tag("on crops")] | Annotated[HeadSchedule, Tag("on features")],
        Discriminator(lambda step: "on crops" if "crop" in dict(step) else "on features"),
    ]
    normalization: FinetuneSchedule
    full: FinetuneSchedule

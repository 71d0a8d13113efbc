"""The two steps of learning a task, as a preset describes them."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveFloat, PositiveInt

from tsniqa.errors import ConfigError


class HeadStep(BaseModel):
    """Step one: the head alone, on features computed once.

    Attributes:
        epochs: Passes over the training images (or drawn pairs).
        batch: Images (or drawn pairs) a batch, at least 2: one image alone makes no pair.
        learning_rate: Adam's initial rate.
        weight_decay: Adam's L2 penalty.
        decay_every: The rate is divided by 10 after every so many epochs.
        pairs: Pairs to draw an epoch, one number or a number a task; None compares all images
            within each batch.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    epochs: NonNegativeInt
    batch: int = Field(ge=2)
    learning_rate: PositiveFloat
    weight_decay: float = 5e-4
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


class ImageStep(HeadStep):
    """Learning on augmented crops: step two, and where a schedule says so also step one.

    Attributes:
        head_learning_rate: Adam's initial rate for the head; ``learning_rate`` is the network's.
        crop: Side of the square training crops in pixels.
        statistics: ``"kept"`` leaves the running statistics of batch normalization as they are;
            ``"batch"`` trains with batch statistics and so learns new ones (the paper's way).
    """

    head_learning_rate: PositiveFloat
    crop: PositiveInt
    statistics: Literal["kept", "batch"]

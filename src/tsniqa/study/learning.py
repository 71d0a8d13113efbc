"""Learning a rated dataset as the next task of a model, and how well that went."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tsniqa import metrics
from tsniqa.cards import load_card
from tsniqa.data.cache import DecodedCache
from tsniqa.data.splits import contents
from tsniqa.data.task import Task
from tsniqa.errors import ConfigError
from tsniqa.model.backbone import load_backbone
from tsniqa.model.editing import check_name, take_task
from tsniqa.model.tsniqa import TSNIQA
from tsniqa.paths import cache_folder
from tsniqa.scoring.profiling import profile_task
from tsniqa.storage import lock
from tsniqa.strategies.tsn import TSN
from tsniqa.study.bootstrap import FEWEST_REFERENCES, reference_resamples
from tsniqa.study.config import Preset
from tsniqa.training.context import GateOptions, TrainingContext
from tsniqa.training.penalty import content_folds
from tsniqa.training.trainer import Epoch


@dataclass
class Judged:
    """Held-out images, scored by models that have not learned from them or their contents.

    Attributes:
        scores: Standard deviations from the mean of what the model was learned from, float64 [n].
        mos, references: The images' opinions and contents [n].
    """

    scores: np.ndarray
    mos: np.ndarray
    references: np.ndarray

    def srcc(self) -> tuple[float, float, float]:
        """Return the SRCC and its 95% interval, by a bootstrap that draws contents.

        The interval is NaN of fewer contents than :data:`.FEWEST_REFERENCES`, which tell nothing.
        """
        if len(set(self.references)) < FEWEST_REFERENCES:
            return metrics.srcc(self.scores, self.mos), np.nan, np.nan
        times = reference_resamples(self.references, "held out")
        found = metrics.bootstrap_srcc(self.scores, self.mos, times)
        return metrics.srcc(self.scores, self.mos), *metrics.interval(found)

    @classmethod
    def joined(cls, parts: list["Judged"]) -> "Judged":
        """Put several together."""
        fields = ("scores", "mos", "references")
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in fields))


@dataclass
class Learner:
    """Learns a task apart from all others, for a model that may know some.

    Attributes:
        context: What the learning of a task may use.
        known: The model so far; None begins one.
    """

    context: TrainingContext
    known: TSNIQA | None = None

    @classmethod
    def of(cls, preset: Preset, seed: int, device: str, known: TSNIQA | None = None) -> "Learner":
        """Learn by the schedule of a preset; without a model also with its network and gates.

        Raises:
            ConfigError: The model's tasks own something else than normalization.
        """
        if known is None:
            backbone = load_backbone(load_card(preset.backbone), device)
            gate, side = preset.gate, preset.image_side
        else:
            if known.bank.select != TSN.select or known.gate is None or known.analytic is None:
                raise ConfigError(f"the model was not learned by '{TSN.name}'; name one that was")
            backbone, side = known.backbone, known.shorter_side
            gate = GateOptions(**known.gate.get_params(), **known.analytic.get_params())
        decoded = DecodedCache(cache_folder("decoded"), side)
        schedule = preset.schedule.at_rate(preset.rates.get(TSN.name))
        context = TrainingContext(
            backbone, schedule, gate, seed, side,
            feature_cache=cache_folder("features"), decoded=decoded,
        )  # fmt: skip
        return cls(context, known)

    def learn(self, task: Task) -> tuple[TSNIQA, list[Epoch]]:
        """Learn a task and profile it by its part ``val``; return a model of it alone."""
        strategy = TSN(self.context)
        history = strategy.learn(task, []).history
        model = strategy.model
        model.readout = self.known.readout if self.known else "calibrated"
        images = self.context.images(task, "val").images
        model.profiles[task.name] = profile_task(model, task, model.read(images, [task.name]))
        return model, history

    def judge(self, model: TSNIQA, task: Task, part: str) -> Judged:
        """Score a part of a task with a model that knows it."""
        level = model.levels[task.name]
        images = self.context.images(task, part).images
        heads = model.read(images, [task.name], gate=False).heads[:, 0].astype(np.float64)
        references = task.part(part)["reference"].astype(str).to_numpy()
        return Judged((heads - level.mean) / level.spread, task.mos(part), references)

    def cross_validate(
        self, task: Task, folds: int, told: Callable[[int, Judged, float], None]
    ) -> Judged:
        """Learn from all but a fold of images, disjoint in content, and judge by it; every fold.

        Args:
            task: The task; its split does not matter.
            folds: How many.
            told: Is told the number of a fold, what was found, and the seconds it took.
        """
        found = []
        for number, fold in enumerate(folded(task, folds), start=1):
            start = time.perf_counter()
            model, _ = self.learn(fold)
            found.append(self.judge(model, fold, "val"))
            told(number, found[-1], time.perf_counter() - start)
        return Judged.joined(found)


def folded(task: Task, folds: int) -> Iterator[Task]:
    """Yield a task once a fold, which is its part ``val``; all else is to be learned from.

    No content is in two folds, nor are two copies of an image.

    Raises:
        ConfigError: There are fewer contents than folds.
    """
    references = contents(task).to_numpy()
    if len(set(references)) < folds:
        raise ConfigError(
            f"task '{task.name}' shows {len(set(references))} contents, too few for {folds} folds;"
            " give --folds a smaller number, or 0"
        )
    for _, held in content_folds(references, folds):
        split = np.full(len(references), "train", dtype=object)
        split[held] = "val"
        yield replace(task, table=task.table.assign(split=split))


def all_but_validation(task: Task) -> Task:
    """Let a task be learned from its test part, too."""
    split = task.table["split"].replace("test", "train")
    return replace(task, table=task.table.assign(split=split))


def put_task(folder: Path, learned: TSNIQA, task: str) -> TSNIQA:
    """Put a learned task into the model in a folder, or begin one there, and return it.

    Other processes may put theirs meanwhile: the folder's model is read anew under a lock.

    Raises:
        ConfigError: The folder's model is of another kind, or the task cannot be called so.
    """
    check_name(task)
    with lock(folder):
        model = learned
        if (folder / "model.json").is_file():
            model = TSNIQA.load(folder, str(learned.backbone.device))
            take_task(model, learned, task)
        model.save(folder)
    return model

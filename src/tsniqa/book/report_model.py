"""What a report says of a model: what it knows, from which data, and how it ranks rated images."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd

from tsniqa.book.plots_ratings import (
    opinions_by_score,
    scale_curve,
    srcc_intervals,
    usual_distances,
)
from tsniqa.book.report import Card, Report, Section, picture, table
from tsniqa.book.report_images import EXAMPLES, gallery, rated_galleries
from tsniqa.book.style import Colour, task_colours
from tsniqa.data.task import Task
from tsniqa.metrics import plcc_logistic
from tsniqa.model.editing import task_fingerprint
from tsniqa.model.readouts import Reading
from tsniqa.model.tsniqa import TSNIQA
from tsniqa.scoring.stream import explained
from tsniqa.study.learning import Judged

MIXED = ("calibrated", "set", "gated", "uniform")
"""Readouts whose rank correlation with the opinions of given images is told."""


def report_model(model: TSNIQA, name: str, task: Task | None = None, part: str = "train",
                 reading: Reading | None = None) -> Report:  # fmt: skip
    """Report on a model, and on how it ranks a rated dataset if one is given.

    Args:
        model: The model.
        name: What it is called.
        task: A dataset.
        part: The part of it that was scored, of n images.
        reading: What heads and gates say of these.
    """
    card = model.backbone.card
    people = [one for one, own in model.profiles.items() if not own.simulated]
    number = len(model.tasks)
    taught = "one rated dataset has" if number == 1 else f"{number} rated datasets have"
    lead = f"Frozen {card.model}, and what {taught} taught it. "
    if not people:
        lead += "No person's opinion is among them, as far as is known: a demonstration."
    elif len(people) < len(model.tasks):
        lead += f"People rated the images of {', '.join(people)}; the other opinions are simulated,"
        lead += " or of unknown origin."
    numbers = {
        "tasks": str(len(model.tasks)),
        "learned from": f"{sum(own.images for own in model.profiles.values()):,} images",
        "reads": model.readout if model.gate else "one head",
    }
    sections, far = [], pd.DataFrame()
    if task is not None:
        given = Given(model, task, part, reading)
        numbers = {
            "SRCC on your images": given.told(),
            "your images": f"{given.count:,}",
            **numbers,
        }
        sections, far = given.sections(), given.table.filter(like="distance ")
    return Report(name, lead, numbers, [*sections, _known(model, far), _made_of(model)])


def _known(model: TSNIQA, given: pd.DataFrame) -> Section:
    colours = task_colours(model.tasks)
    rows = [
        (name, "its own head", own.srcc, np.nan, np.nan)
        for name, own in model.profiles.items()
        if own.srcc is not None
    ]
    found = pd.DataFrame(rows, columns=["task", "readout", "srcc", "low", "high"])
    parts: list = []
    if rows:
        said = ", ".join(f"{row.task} {row.srcc:.3f}" for row in found.itertuples())
        parts.append(picture(partial(srcc_intervals, found), f"Held-out SRCC by task: {said}"))
    parts += [
        _card(model, name, colours[name], given.get(f"distance {name}", ())) for name in model.tasks
    ]
    return Section(
        "What it knows",
        "Every task by its own head, on images of its dataset that it has not learned from. An "
        "image farther from the task's centroids than all of these is outside what it has seen.",
        parts,
    )


def _card(model: TSNIQA, name: str, colour: Colour, given: Sequence[float]) -> Card:
    fingerprint = task_fingerprint(model, name)[:12]
    own = model.profiles.get(name)
    if own is None:
        return Card(name, "origin unknown", {"fingerprint": fingerprint})
    facts = {
        "images": own.description,
        "learned from": f"{own.images:,} images",
        "SRCC": f"{_number(own.srcc)} on {own.held_out} others",
        "opinion scale": "{:g} to {:g}".format(*own.mos_range),
        "cite": own.citation or "not stated",
        "licence": own.licence or "not stated",
        "fingerprint": fingerprint,
    }
    pictures = []
    if own.scale is not None:
        low, middle, high = own.on_scale(np.array([-2.0, 0, 2]))
        alt = f"{name}: a score of -2 means {low:.3g}, 0 {middle:.3g}, 2 {high:.3g}"
        pictures.append(picture(partial(scale_curve, own, colour), alt, "Scores as opinions"))
    nearest, median, farthest = (own.distances[i] for i in (0, 50, 100))
    alt = f"{name}: distances from {nearest:.3g} over {median:.3g} in the middle to {farthest:.3g}"
    far = partial(usual_distances, own, colour, given)
    caption = "How far its own images are" + (" (marks: yours)" if len(given) else "")
    pictures.append(picture(far, alt, caption))
    return Card(name, "simulated" if own.simulated else "people's opinions", facts, pictures)


def _number(value: float | None) -> str:
    return "–" if value is None or np.isnan(value) else f"{value:.3f}"


def _made_of(model: TSNIQA) -> Section:
    card = model.backbone.card
    known = {
        "network": f"{card.model}, weights of '{card.name}'",
        "source": card.source,
        "licence of the weights": card.licence,
        "shorter side of images": f"at most {model.shorter_side} pixels",
        "owned by a task": model.bank.select,
        "published gate": model.gate and _parameters(model.gate.get_params()),
        "analytic gate": model.analytic and _parameters(model.analytic.get_params()),
        "fingerprint of the network": model.fingerprint()[:12],
    }
    shown = pd.Series({name: text for name, text in known.items() if text}, name="value")
    return Section("What it is made of", "", [table(shown.to_frame().rename_axis("part"))])


def _parameters(values: dict) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


class Given:
    """A rated dataset as a model sees it; the arguments are those of :func:`report_model`."""

    def __init__(self, model: TSNIQA, task: Task, part: str, reading: Reading) -> None:
        self.model, self.task, self.part, self.reading = model, task, part, reading
        self.rows, self.mos = task.part(part), task.mos(part)
        self.count = len(self.rows)
        self.table = explained(model, reading)
        self.scores = self.table["score"].to_numpy()

    def judged(self, scores: np.ndarray) -> tuple[float, float, float]:
        """Return the SRCC of scores [n], and its interval over contents."""
        references = self.rows["reference"].astype(str).to_numpy()
        return Judged(scores, self.mos, references).srcc()

    def told(self) -> str:
        """Return the SRCC by the model's own readout, in words."""
        value, low, high = self.judged(self.scores)
        return f"{_number(value)} ({_number(low)} to {_number(high)})"

    def sections(self) -> list[Section]:
        """Return what there is to say: how well they are ranked, and which tell most."""
        name = self.task.name
        known = self.model.profiles.get(name)
        kept = (
            "" if self.part == "train" else f" Only the part '{self.part}' of their split is here."
        )
        learned = " The model knows no task of this name." if known is None else "" if kept else (
            f" The model has learned from {known.images} images of a task of this name: if they are"
            " these, what follows flatters it."
        )  # fmt: skip
        drawing = partial(opinions_by_score, self.scores, self.mos, self.task.mos_range)
        value = plcc_logistic(self.scores, self.mos)
        alt = f"Opinions by score of {self.count} images: SRCC {self.told()}, PLCC {_number(value)}"
        galleries = rated_galleries(self.task, self.part, self.scores, self.mos)
        return [
            Section(
                f"Your images: {name}",
                "Every image: the model's score and its opinion, with the rising logistic curve "
                f"that fits them best.{kept}{learned}",
                [picture(drawing, alt), table(self._ways())],
            ),
            Section(
                "Images that tell most",
                "Place 1 is the best. Overrated and underrated: where the two places are farthest "
                "apart.",
                [*galleries, *self._unusual()],
            ),
        ]

    def _ways(self) -> pd.DataFrame:
        """Tabulate how well each readout, and each head alone, ranks the images."""
        ways = {self.model.readout if self.model.gate else "its head": self.scores}
        if self.model.gate:
            able = [one for one in MIXED if self.model.analytic or one in ("gated", "uniform")]
            ways |= {one: self.model.table(self.reading, one)["score"].to_numpy() for one in able}
            heads = self.reading.heads.astype(np.float64)
            ways |= {f"head {one} alone": heads[:, i] for i, one in enumerate(self.model.tasks)}
        rows = []
        for way, scores in ways.items():
            value, low, high = self.judged(scores)
            interval = f"{_number(value)} ({_number(low)} to {_number(high)})"
            rows.append((way, interval, _number(plcc_logistic(scores, self.mos))))
        return pd.DataFrame(rows, columns=["read by", "SRCC", "PLCC"]).set_index("read by")

    def _unusual(self) -> Sequence:
        """Show the images that are farthest from what the model has seen."""
        if "unusual" not in self.table:
            return []
        nearest = self.table[[f"distance {one}" for one in self.model.tasks]].min(axis=1)
        far = self.table.assign(far=nearest).sort_values(["unusual", "far"], ascending=False)
        lines = {
            i: [
                f"score {row.score:.2f}, opinion {self.mos[i]:g}",
                f"nearest to {row.nearest}; {row.unusual:.0f}% of its images are nearer",
            ]
            for i, row in far.head(EXAMPLES).iterrows()
        }
        return [gallery("Most unusual", self.task, self.part, lines)]

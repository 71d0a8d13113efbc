"""What a report says of a run: all of it follows from the record, and from its data if given."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from tsniqa.book.plots_matrices import gate_heatmap, matrix_grid
from tsniqa.book.plots_ratings import opinions_by_score, srcc_intervals
from tsniqa.book.plots_runs import MATRICES, learning_curves, plasticity_and_stability
from tsniqa.book.report import Picture, Report, Section, picture, table
from tsniqa.book.report_images import rated_galleries
from tsniqa.book.run_sheet import run_readout, settings, what_is_left
from tsniqa.book.style import task_colours
from tsniqa.data.task import Task
from tsniqa.metrics import interval, plcc_logistic
from tsniqa.study.bootstrap import draws
from tsniqa.study.evaluation import predictions, srcc, srcc_matrix, summary
from tsniqa.study.inspection import gate_accuracy, heaviest_heads, mean_gate_weights
from tsniqa.study.record import RunRecord
from tsniqa.study.results import SUMMARY_READOUTS
from tsniqa.study.verifying import resolve_again


def report_record(record: RunRecord, data_root: Path | None = None) -> Report:
    """Report on a run.

    Args:
        record: The run.
        data_root: Folder of the datasets that it learned from, for opinions and example images;
            without it a record of simulated tasks has opinions, and no record images.

    Raises:
        DataError: The data there are not those of the run.
        ConfigError: A dataset is not there.
    """
    facts, order = record.description, record.order
    readout = run_readout(record)
    tasks = {}
    if data_root:
        tasks = {task.name: task for task in resolve_again(record, data_root).tasks}
    table = final_srcc(record)
    own = table[table["readout"] == readout]
    drawn = np.mean([draws(record, readout, task) for task in order], axis=0)
    low, high = interval(drawn)
    numbers = {
        f"mean SRCC, {readout}": f"{own['srcc'].mean():.3f} ({low:.3f} to {high:.3f})",
        "tasks": str(len(order)),
        "test images": f"{sum(task.images['test'] for task in facts.tasks):,}",
        "learned per task": f"{facts.parameters.learnable_per_task:,} numbers",
    }
    made = "Opinions are simulated: nobody has rated these images. " if record.simulated else ""
    title = f"{record.strategy} on {', '.join(order)}"
    sections = [
        _final(table, record),
        *([_matrices(record)] if len(order) > 1 else []),
        *([_curves(record)] if record.history["loss"].notna().any() else []),
        *([_gates(record)] if facts.gated and len(order) > 1 else []),
        *_opinions(record, readout, tasks),
        *_examples(record, readout, tasks),
        _settings(record),
    ]
    left = what_is_left(record) if len(order) > 1 else ""
    return Report(title, f"{made}{left}", numbers, sections)


def final_srcc(record: RunRecord) -> pd.DataFrame:
    """Tabulate the SRCC after the last task with its 95% interval, a row a task and readout.

    The columns are those of :func:`.srcc_intervals`.
    """
    rows = []
    for readout in [one for one in SUMMARY_READOUTS if one in record.readouts]:
        for task in record.order:
            value = srcc(record, readout, record.order, task)
            rows.append((task, readout, value, *interval(draws(record, readout, task))))
    return pd.DataFrame(rows, columns=["task", "readout", "srcc", "low", "high"])


def _final(found: pd.DataFrame, record: RunRecord) -> Section:
    text = [
        f"{row.srcc:.3f} ({row.low:.3f} to {row.high:.3f})" if row.srcc == row.srcc else "–"
        for row in found.itertuples()
    ]
    shown = found.assign(text=text).pivot(index="task", columns="readout", values="text")
    shown = shown.loc[record.order, list(dict.fromkeys(found["readout"]))]
    shown.columns.name, shown.index.name = None, "task"
    measures = pd.DataFrame({name: summary(record, name) for name in shown.columns})
    measures = measures.T.rename_axis(index="readout")
    drawing = partial(srcc_intervals, found)
    return Section(
        "How well images are ranked",
        "Rank correlation with opinions on the test images of every task after the last one, with "
        "95% intervals over image contents. A readout is how the heads become one score; the "
        "oracle is told the task.",
        [picture(drawing, "SRCC by task and readout; the table below has the numbers"),
         table(shown), table(measures)],
    )  # fmt: skip


def _matrices(record: RunRecord) -> Section:
    parts: list[Picture] = []
    for readout in [one for one in MATRICES if one in record.readouts]:
        matrix = srcc_matrix(record, readout)
        drawing = partial(matrix_grid, {readout: matrix}, record.order)
        last = ", ".join(f"{t} {v:.2f}" for t, v in zip(record.order, matrix[-1], strict=True))
        parts.append(picture(drawing, f"S matrix, {readout}; its last row: {last}"))
    if not record.description.all_at_once:
        drawing = partial(plasticity_and_stability, record)
        parts.append(picture(drawing, "Plasticity and stability after every task, by readout"))
    return Section(
        "While tasks were learned",
        "S: rank correlation on the tasks seen so far (columns) after each task (rows). Plasticity "
        "is its diagonal; stability is how alike a task's scores stay.",
        parts,
    )


def _curves(record: RunRecord) -> Section:
    drawing = partial(learning_curves, record)
    return Section(
        "Learning curves",
        "Mean loss of every epoch: the head alone (dashed), then the second step.",
        [picture(drawing, "Loss by epoch, a panel a task")],
    )


def _gates(record: RunRecord) -> Section:
    parts = []
    for gate in ("published", "analytic"):
        for what, found in (
            ("mean weight", mean_gate_weights(record, gate)),
            ("share of images", heaviest_heads(record, gate)),
        ):
            own = "of the task's own heads"
            said = ", ".join(f"{task} {found.loc[task, task]:.2f}" for task in found.index)
            drawing = partial(gate_heatmap, found, what)
            title = f"{gate} gate: {'weights' if what == 'mean weight' else 'heaviest heads'}"
            parts.append(picture(drawing, f"{title}; {own}: {said}", title))
    right = " and ".join(
        f"{gate_accuracy(record, gate):.0%} ({gate})" for gate in ("published", "analytic")
    )
    return Section(
        "Whom the gates ask",
        "Left, the mean weight that a gate gives each head on a task's test images; right, for "
        f"which share of them a head is the heaviest. The task's own is for {right}.",
        parts,
    )


def _opinions(record: RunRecord, readout: str, tasks: dict[str, Task]) -> Iterator[Section]:
    if record.mos is None and not tasks:
        return
    scores = predictions(record, readout, record.order)
    colours = task_colours(record.order)
    parts = []
    for name in [one for one in record.order if one in scores]:
        mos = tasks[name].mos("test") if name in tasks else record.mos[record.rows(name)]
        value = srcc(record, readout, record.order, name)
        said = f"SRCC {value:.3f}, PLCC {plcc_logistic(scores[name], mos):.3f}"
        scale = record.tasks[name].mos_range
        drawing = partial(opinions_by_score, scores[name], mos, scale, colours[name])
        alt = f"{name}: opinions by score of {len(mos)} test images; {said}"
        parts.append(picture(drawing, alt, f"{name}: {said}"))
    yield Section(
        "Scores and opinions",
        f"Every test image: its score ({readout}) and its opinion, with the rising logistic curve "
        "that fits them best. PLCC is after such a curve.",
        parts,
    )


def _examples(record: RunRecord, readout: str, tasks: dict[str, Task]) -> Iterator[Section]:
    scores = predictions(record, readout, record.order) if tasks else {}
    for name in record.order if tasks else ():
        mos = tasks[name].mos("test")
        galleries = rated_galleries(tasks[name], "test", scores[name], mos)
        yield Section(f"Images of {name}", "", galleries, folded=True)


def _settings(record: RunRecord) -> Section:
    known = settings(record, "a folder here")
    sources = pd.DataFrame(
        [
            (task.name, task.images["train"], task.images["test"], task.citation, task.licence)
            for task in record.description.tasks
        ],
        columns=["task", "learned from", "tested on", "citation", "licence"],
    )
    return Section(
        "What was run, and on whose data",
        "",
        [table(known.to_frame("value").rename_axis("setting")), table(sources, index=False)],
    )

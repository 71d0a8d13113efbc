"""What pages say of one run in words: its settings, what it forgot, whom its gates ask.

Also which of its test images tell most.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from tsniqa.data import load_task
from tsniqa.errors import ConfigError, DataError
from tsniqa.study.comparison import family, main_readout, main_weight, minutes
from tsniqa.study.evaluation import predictions, srcc_matrix
from tsniqa.study.inspection import gate_accuracy
from tsniqa.study.record import RunRecord


def settings(record: RunRecord, origin: str) -> pd.Series:
    """List what a run was: texts by name, without those that say nothing of it.

    Args:
        record: The run.
        origin: Where the record comes from, in words.
    """
    facts, given = record.description, record.description.preset
    config, gate, prints = facts.config, given.gate, facts.fingerprints
    changed = [f"{path} = {value}" for path, value in config.overrides.items()]
    made = [name for name, task in record.tasks.items() if task.simulated]
    kept = prints["filters before"] == prints["filters after"]
    weight = main_weight(record)
    known = {
        "strategy": f"{record.strategy} ({family(record.strategy)})",
        "tasks": ", ".join(sorted(record.order)) + ", all at once"
        if facts.all_at_once
        else " → ".join(record.order),
        "labels": f"SIMULATED, nobody has rated the images of {', '.join(made)}"
        if made
        else "from people",
        "preset, seed, split": f"{config.preset}, {config.seed}, "
        f"{config.splits_from or config.split}",
        "training images of each task": str(config.training_images or ""),
        "changed values of the preset": ", ".join(changed),
        "backbone": facts.backbone.model,
        "numbers a task": f"{facts.parameters.learnable_per_task:,} learned, "
        f"{facts.parameters.stored_per_task:,} stored",
        "shorter side of larger images": str(given.shorter_side or ""),
        "main weight": "" if np.isnan(weight) else f"{weight:g}",
        "images in memory": str(given.memory) if family(record.strategy) == "replay" else "",
        "heads are read out": run_readout(record) if facts.gated else "",
        "published gate": f"{gate.n_clusters} centroids, temperature {gate.temperature:g}"
        if facts.gated
        else "",
        "analytic gate": f"penalty {gate.penalty:g}, sharpness {gate.sharpness:g}"
        if facts.gated
        else "",
        "habits of the released code": ", ".join(k for k, on in given.schedule.released if on),
        "fingerprint of the filters": f"{prints['filters before'][:12]}, the same after the run"
        if kept
        else f"{prints['filters before'][:12]} before, {prints['filters after'][:12]} after",
        "learning and scoring": f"{minutes(record, 'learning'):.1f} and "
        f"{minutes(record, 'scoring'):.1f} minutes on {facts.device}",
        "record": f"{facts.run_id}, {origin}",
    }
    return pd.Series({name: text for name, text in known.items() if text}, name="this run")


def what_is_left(record: RunRecord) -> str:
    """Say in a sentence what became of the first task, with the strategy's own readout."""
    readout, first, last = run_readout(record), record.order[0], record.order[-1]
    matrix = srcc_matrix(record, readout)
    return (
        f"On {first}, the first task, the SRCC ({readout}) was {matrix[0, 0]:.3f} when it had "
        f"been learned and is {matrix[-1, 0]:.3f} after {last}. The mean over all tasks at the "
        f"end is {matrix[-1].mean():.3f}."
    )


def whom_gates_ask(record: RunRecord) -> str:
    """Say in a sentence how often each gate gives the right head the largest weight."""
    published, analytic = (gate_accuracy(record, gate) for gate in ("published", "analytic"))
    return (
        f"The right head has the largest weight for {published:.0%} of the test images under the "
        f"published gate and for {analytic:.0%} under the analytic one (every task counting alike; "
        f"guessing would give {1 / len(record.order):.0%})."
    )


def telling_images(record: RunRecord, data_root: Path) -> dict[str, pd.DataFrame]:
    """Pick four test images of every task whose images are on this machine, after the last task.

    Returns:
        By task what :func:`tsniqa.book.plots_images.image_rows` shows: the images predicted best
        and worst, and those whose place by prediction is farthest above and below their place by
        opinion score.
    """
    scores, picked = predictions(record, run_readout(record), record.order), {}
    for name in record.order:
        try:
            task = load_task(name, data_root, record.config.seed, record.config.split)
            paths, opinions = task.paths("test"), task.mos("test")
        except (ConfigError, DataError):
            continue
        same = task.part("test")["image"].tolist() == record.test_images[name]
        if same and all(path.is_file() for path in paths):
            predicted, opinion = places(scores[name]), places(opinions)
            text = "predicted {}\nopinion {} of {}"
            picked[name] = pd.DataFrame(
                [
                    (what, paths[i], text.format(predicted[i], opinion[i], len(paths)))
                    for what, (i, *_) in extremes(scores[name], opinions).items()
                ],
                columns=["what", "path", "text"],
            )
    return picked


def places(values: np.ndarray) -> np.ndarray:
    """Return the place of every value [n], int: 1 is the largest; of ties, the first goes first."""
    return rankdata(-values, method="ordinal").astype(int)


def extremes(scores: np.ndarray, opinions: np.ndarray) -> dict[str, np.ndarray]:
    """Order images [n] by what they tell, the most telling first: their numbers, by what it is.

    Predicted best and worst; and those whose place by prediction is farthest above and below their
    place by opinion.
    """
    predicted = places(scores)
    above = places(opinions) - predicted
    return {
        "predicted best": np.argsort(predicted),
        "predicted worst": np.argsort(-predicted),
        "most overrated": np.argsort(-above, kind="stable"),
        "most underrated": np.argsort(above, kind="stable"),
    }


def run_readout(record: RunRecord) -> str:
    """Return the readout of the strategy's source, or the preset's where that is the gate."""
    return main_readout(record.strategy, {record.strategy: [record]})

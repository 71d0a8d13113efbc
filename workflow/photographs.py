"""Learn the model that is shipped: photographs of LIVE Challenge, and the drawn tasks of mini.

    python workflow/photographs.py DATA_ROOT [OUT]

DATA_ROOT holds the folder live-challenge (see: tsniqa data list); OUT is data/models/photographs.
Half an hour on one core, the runs are kept in .runs/records. What is learned is rounded to half
precision, which halves the files and moves scores in the fourth digit.
"""

import sys
from pathlib import Path

from tsniqa.data.cards import load_cards
from tsniqa.model.editing import take_task
from tsniqa.model.tsniqa import TSNIQA
from tsniqa.paths import resolve
from tsniqa.study.config import run_config
from tsniqa.study.runner import run

#: Compact: statistics stay those of the network, and the published gate has few centroids.
COMPACT = {"schedule.normalization.bn_statistics": "kept", "gate.n_clusters": 16}
PHOTOGRAPHS = "live-challenge"
PARTS = (
    {"preset": "open", "task_order": (PHOTOGRAPHS,), "split": "0"},
    {"preset": "mini"},
)


def halved(model: TSNIQA) -> TSNIQA:
    """Round what a model has learned to half precision, and sums to single."""
    for state in model.bank.states.values():
        for name, value in state.items():
            if not value.equal(model.bank.initial[name]):
                state[name] = value.half().float()
    for head in model.heads.values():
        head.weight.data = head.weight.data.half().float()
    for stages in model.gate.centroids_.values():
        stages[:] = [stage.astype("float16").astype("float32") for stage in stages]
    for task, sums in model.analytic.sums_.items():
        model.analytic.sums_[task] = sums.astype("float32").astype("float64")
    return model


def described(model: TSNIQA) -> TSNIQA:
    """Say of the photographs what the catalogue says of their dataset."""
    card = load_cards()[PHOTOGRAPHS]
    about = {
        "description": f"{card.title}: {card.distortions}",
        "citation": card.citation,
        "licence": card.licence,
        "mos_range": card.mos_range,
    }
    model.profiles[PHOTOGRAPHS] = model.profiles[PHOTOGRAPHS].model_copy(update=about)
    return model


def learned(data_root: Path) -> TSNIQA:
    """Learn all tasks, each apart from the others, and put them together."""
    records = [
        run(run_config(**part, overrides=COMPACT), data_root, resolve(".runs/records"))
        for part in PARTS
    ]
    whole, *others = (TSNIQA.load(record.folder / "model") for record in records)
    for other in others:
        for task in other.tasks:
            take_task(whole, other, task)
    return described(halved(whole))


if __name__ == "__main__":
    place = Path(sys.argv[2]) if len(sys.argv) > 2 else resolve("data/models/photographs")
    learned(Path(sys.argv[1]).resolve()).save(place)
    print(f"model: {place}")

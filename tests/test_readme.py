"""The README's table of findings is what the published records say."""

import pytest

from tsniqa.paths import project_root, resolve
from tsniqa.study.bootstrap import resolvable
from tsniqa.study.headline import headline
from tsniqa.study.results import find_experiment

MULTI = {"head_feature": "multi"}
ROWS = {
    "heads alone": ("head-only", "oracle", {}),
    "heads alone, on features of three stages": ("head-only", "oracle", MULTI),
    "TSN": ("tsn", "oracle", {}),
    "TSN, on features of three stages": ("tsn", "oracle", MULTI),
    "TSN with adapters (ours)": ("tsn-adapters", "oracle", {}),
    "separate networks": ("separate", "oracle", {}),
    "TSN, published gate": ("tsn", "gated", {}),
    "TSN, analytic gate (`calibrated`)": ("tsn", "calibrated", {}),
    "TSN, plain mean of the heads (`uniform`)": ("tsn", "uniform", {}),
    "TSN, images of a task scored together (`set`)": ("tsn", "set", {}),
    "synaptic intelligence (SI), calibrated gate": ("si", "calibrated", {}),
    "joint learning of all at once": ("joint", "single", {}),
    "replay from a memory that holds all earlier tasks": ("replay-shared", "single", {}),
    "sequential fine-tuning": ("sequential", "single", {}),
}
SPLITS = {"mini": ["given"], "open": ["0", "1", "2"], "open-resnet18": ["0", "1", "2"]}


def table():
    """Read the README's rows: by their first cell, the others by preset."""
    text = (project_root() / "README.md").read_text(encoding="utf-8")
    lines = text[text.index("| | `mini` |") :].partition("\n\n")[0].splitlines()
    head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {row[0]: dict(zip(head[1:], row[1:], strict=True)) for row in rows}


@pytest.mark.parametrize("preset", SPLITS)
def test_the_table_of_findings_is_what_the_records_say(preset):
    found = {}
    for changed in ({}, MULTI):
        runs = find_experiment(
            resolve("results/records"), preset, [0, 1, 2], SPLITS[preset], changed=changed
        )
        tasks = resolvable(next(iter(runs.values()))[0]) if runs else None
        found[bool(changed)] = headline(runs, tasks).set_index(["strategy", "readout"])
    for name, row in table().items():
        shown, (strategy, readout, changed) = row[f"`{preset}`"], ROWS[name]
        values, known = found[bool(changed)], (strategy, readout)
        if known not in values.index:
            assert shown == "not run", name
            continue
        own = values.loc[known, ["mean SRCC", "mean low", "mean high", "runs"]]
        assert shown == "{:.3f} ({:.3f} to {:.3f})".format(*own[:3]), name
        assert own["runs"] == ("one run" if preset == "open-resnet18" else "3 runs"), name

"""The same run with other instructions of the processor: named, comparable, and judged alike."""

import json
import os
import subprocess
import sys

import pytest

from tsniqa.cli import app
from tsniqa.study.machines import numerical_noise, shared_runs, verdicts

# What a processor without AVX-512 computes with; libraries choose when they are loaded.
OTHER = {"ONEDNN_MAX_CPU_ISA": "AVX2", "OPENBLAS_CORETYPE": "Haswell"}
PROGRAM = """
import json, sys
from tsniqa.cli import app
for arguments in json.loads(sys.argv[1]):
    app(arguments, standalone_mode=False)
"""


def run_both(world, folder, **environment):
    """Run two strategies in a process of its own."""
    commands = []
    for strategy in ("head-only", "tsn"):
        options = {"preset": "smoke", "strategy": strategy, "order": "alpha,beta", "device": "cpu"}
        options |= {"backbone": world.card, "data-root": world.data_root, "results-dir": folder}
        command = ["run", *(f"--{name}={value}" for name, value in options.items())]
        commands.append(
            command + [f"--set={key}={value}" for key, value in world.overrides.items()]
        )
    subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(commands)],
        env=os.environ | environment | {"TSNIQA_CACHE": str(folder / "cache")},
        check=True,
    )
    return folder


@pytest.mark.slow
def test_another_processor_is_named_and_its_verdicts_are_compared(world, tmp_path, capsys):
    published = run_both(world, tmp_path / "default")
    here = run_both(world, tmp_path / "other", **OTHER)
    *both, rest = shared_runs(here, published)
    assert rest == []
    assert [record.strategy for record in both[0]] == ["head-only", "tsn"]
    (ours,), (theirs,) = ({one.description.device for one in records} for records in both)
    assert "BLAS Haswell" in ours
    assert "oneDNN at most AVX2" in ours
    assert "oneDNN at most" not in theirs
    noise = numerical_noise(*both)
    assert (noise["scores"] < 0.05).all(), noise
    app(
        ["compare-records", f"--results-dir={here}", f"--published={published}"],
        standalone_mode=False,
    )
    said = capsys.readouterr().out
    assert f"here: {ours}\npublished: {theirs}\n" in said
    found = verdicts(*both)
    changed = found[found["changed"]]
    if changed.empty:
        assert f"same verdicts ({len(found)} differences" in said
    else:
        listed = said.partition("changed verdicts\n")[2].splitlines()
        assert len(listed) > len(changed)

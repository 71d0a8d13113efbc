"""Drawing and labelling come out the same, whatever instructions the processor has."""

import json
import os
import subprocess
import sys

import pytest
from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

# Seven decimals: coarse for double precision, fine enough that single precision would show.
DRAW = """
import hashlib, json
import numpy as np
from tsniqa.seeds import generator
from tsniqa.synthetic.benchmark import MINI_TASKS, label, plan_task, render
from tsniqa.synthetic.distortions import DISTORTIONS, distort
from tsniqa.synthetic.scenes import FAMILIES, make_scene

def digest(values):
    return hashlib.sha256(values.tobytes()).hexdigest()

found = {}
for family in FAMILIES:
    found[family] = digest(np.round(make_scene(family, generator(0, family)), 7))
scene = make_scene("leaves", generator(0, "scene"))
for name in DISTORTIONS:
    found[name] = digest(np.round(distort(name, scene, 3.3, generator(0, name)), 7))
for name in MINI_TASKS:
    plans = plan_task(name, 0)[::130]
    pristine, images = render(name, 0, plans)
    found[name] = [digest(images), label(name, 0, plans, pristine, images).to_csv()]
print(json.dumps(found))
"""


def drawn(**environment):
    """Draw in a process of its own, as libraries choose their kernels when they are loaded."""
    ran = subprocess.run(
        [sys.executable, "-c", DRAW],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(ran.stdout)


@pytest.fixture(scope="module")
def here():
    """What this processor draws with all that it has."""
    return drawn()


@pytest.mark.parametrize(
    "environment",
    [
        {"OPENBLAS_CORETYPE": "Prescott"},
        {
            "NPY_DISABLE_CPU_FEATURES": " ".join(
                name for name in __cpu_dispatch__ if __cpu_features__[name]
            ),
            "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA",
        },
    ],
    ids=["other BLAS kernel", "no vector instructions"],
)
def test_images_and_labels_are_the_same_on_another_processor(here, environment):
    there = drawn(**environment)
    assert {name for name in here if here[name] != there[name]} == set()

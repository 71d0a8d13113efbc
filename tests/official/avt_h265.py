"""A tiny image_quality_test repository: its laboratory test, no interval where all agree."""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from official.pictures import picture

SOURCES = (
    "BuildingHall2_3840x2160_50fps_10bit_420_ffvhuff.mkv_1frame",
    "Dancers.avi_1frame",
    "NTIA_4K_Vignette_1_Violin-422p-8bit-60fps-4096x2160.mkv_1frame",
    "Netflix_BarScene_4096x2160_60fps_10bit_420.y4m_1frame",
    "Sparks_20170214.mxf_1frame",
    "air_acrobatics_harmonic.mkv_1frame",
    "epicdragon-skintone-6k-ws-96fps_444.mkv_1frame",
    "gooseberry.mkv_1frame",
)
CODED = ((0, 2160), (5, 1136), (13, 464), (26, 208), (41, 144))
"""Rate factor and height, from the mildest to the worst."""


def write(folder: Path, std: bool = True) -> pd.DataFrame:
    """Write five images of each content; older tables have no ``std``."""
    images = folder / "test_1" / "images"
    images.mkdir(parents=True)
    random = np.random.default_rng(265)
    rated = []
    for number, source in enumerate(SOURCES):
        for step, (crf, height) in enumerate(CODED):
            name = f"{source}_crf_{crf:02d}_height_{height:04d}"
            picture(number, step / 4).save(images / f"{name}.png")
            answers = np.clip(5 - step + random.integers(-1, 2, 21), 1, 5)
            if step == 4:
                answers[:] = 1  # everybody agrees
            width = 2 * stats.t.ppf(0.975, 20) * answers.std(ddof=1) / 21**0.5
            rated.append((name, answers.mean(), width or np.nan, answers.std(ddof=1)))
    table = pd.DataFrame(rated, columns=["image_name", "mos", "ci", "std"])
    written = table if std else table.drop(columns="std")
    written.to_csv(folder / "test_1" / "mos_ci.csv", index=False)
    return pd.DataFrame(
        {
            "image": "test_1/images/" + table["image_name"] + ".png",
            "mos": table["mos"],
            "std": table["std"] if std else np.nan,
            "reference": [source for source in SOURCES for _ in CODED],
            "split": "",
        }
    )

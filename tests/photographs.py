"""Photographs for tests, drawn by a program: scenes that are blurred more and more."""

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from scipy.ndimage import gaussian_filter


def draw(level: float, seed: int, size: tuple[int, int] = (96, 128)) -> Image.Image:
    """Draw a scene of a seed, [height, width], blurred by a level in [0, 1]."""
    random = np.random.default_rng(seed)
    coarse = gaussian_filter(random.normal(size=(*size, 3)), (12, 12, 0)) * 900 + 128
    fine = gaussian_filter(random.normal(size=(*size, 3)), (1, 1, 0)) * 90
    pixels = gaussian_filter(coarse + fine, (4 * level, 4 * level, 0))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def write_photographs(folder: Path, names: list[str]) -> None:
    """Write a photograph under each of some names."""
    for seed, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        draw(seed / len(names), seed).save(folder / name)


def write_ratings(folder: Path, first: int = 100) -> None:
    """Write photographs and a table of what nobody thought of them: image and mos alone."""
    (folder / "images").mkdir(parents=True)
    levels = np.random.default_rng(first).uniform(size=30)
    rows = []
    for number, level in enumerate(levels):
        name = f"images/{number:03d}.jpg"
        draw(level, first + number).save(folder / name)
        rows.append({"image": name, "mos": round(90 - 80 * level, 1)})
    pd.DataFrame(rows).to_csv(folder / "labels.csv", index=False)

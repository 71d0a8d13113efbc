"""A tiny SPAQ: a workbook of ratings and attributes, and its images."""

from pathlib import Path

import numpy as np
import pandas as pd

from official.pictures import picture, rows, write_workbook

WORKBOOK = "MOS and Image attribute scores.xlsx"
ATTRIBUTES = ["Brightness", "Colorfulness", "Contrast", "Noisiness", "Sharpness"]


def write(folder: Path, images: int = 36, *, workbook: str = WORKBOOK) -> pd.DataFrame:
    """Write the dataset; ``workbook`` is the workbook's name."""
    (folder / "Annotations").mkdir(parents=True)
    (folder / "TestImage").mkdir()
    lines, expected = [["Image name", "MOS", *ATTRIBUTES]], []
    for number in range(1, images + 1):
        level = (number * 7 % images) / (images - 1)
        name = f"{number:05d}.jpg"
        picture(number, level).save(folder / "TestImage" / name, quality=95)
        mos = round(91.2 - 87.0 * level, 2)
        lines.append([name, mos, 47.43, 55.57, 55.71, 37.86, round(90 - 80 * level, 2)])
        image = f"TestImage/{name}"
        expected.append((image, mos, np.nan, image, ""))
    write_workbook(folder / "Annotations" / workbook, lines)
    return rows(expected)

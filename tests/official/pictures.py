"""Small pictures whose quality falls with a level, for datasets that tests write."""

from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
from PIL import Image
from scipy.ndimage import gaussian_filter


def picture(content: int, level: float, size: tuple[int, int] = (64, 48)) -> Image.Image:
    """Draw scene number ``content``, blurred by ``level`` in [0, 1]; size is (W, H)."""
    random = np.random.default_rng(content)
    scene = gaussian_filter(random.normal(size=(size[1], size[0], 3)), (2, 2, 0)) * 300 + 128
    detail = gaussian_filter(random.normal(size=(size[1], size[0], 3)), (0.6, 0.6, 0)) * 60
    image = gaussian_filter(scene + detail, (3 * level, 3 * level, 0))
    return Image.fromarray(np.clip(image, 0, 255).astype(np.uint8))


def rows(expected: list[tuple]) -> pd.DataFrame:
    """Form the table that a reader has to return."""
    return pd.DataFrame(expected, columns=["image", "mos", "std", "reference", "split"])


def write_workbook(path: Path, lines: list, sheet: str = "Sheet1") -> None:
    """Write an .xlsx workbook whose first sheet has these lines."""
    book = openpyxl.Workbook()
    book.active.title = sheet
    for line in lines:
        book.active.append(line)
    with path.open("wb") as file:
        book.save(file)

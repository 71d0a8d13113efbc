"""A tiny BID: a workbook of observers' grades, .JPG images, gaps in their numbers."""

from pathlib import Path

import numpy as np
import pandas as pd
import xlwt

from official import pictures
from official.pictures import picture, rows

GAPS = (13, 14)
"""Numbers without an image; the official set leaves out 4 of 590."""

OBSERVERS = 6


def write(
    folder: Path,
    images: int = 36,
    *,
    workbook: str = "DatabaseGrades.xls",
    content: str | None = None,
    below: str = "ImageDatabase",
) -> pd.DataFrame:
    """Write the dataset.

    Args:
        folder: The dataset's folder; made here.
        images: Number of images.
        workbook: Name of the workbook.
        content: ``"xls"`` or ``"xlsx"``; None follows the name.
        below: Folder of the images, ``""`` for none.
    """
    (folder / below).mkdir(parents=True)
    random = np.random.default_rng(0)
    numbers = [number for number in range(1, images + 1 + len(GAPS)) if number not in GAPS][:images]
    sheet, expected = [["Image Number", "Average Subjective Grade", ""]], []
    sheet[0] += [f"Observer {observer + 1}" for observer in range(OBSERVERS)]
    for place, number in enumerate(numbers):
        level = (place * 7 % images) / (images - 1)
        name = f"DatabaseImage{number:04d}.JPG"
        picture(number, level).save(folder / below / name, "JPEG", quality=95)
        grades = np.clip(4.8 - 4.5 * level + random.normal(0, 0.3, OBSERVERS), 0, 5).round(4)
        grades = grades.tolist()
        skipped = number % OBSERVERS  # not everybody rated every image
        grades[skipped] = None
        rated = [grade for grade in grades if grade is not None]
        mean = sum(rated) / len(rated)
        spread = (sum((grade - mean) ** 2 for grade in rated) / (len(rated) - 1)) ** 0.5
        sheet.append([number, mean, None, *grades])
        image = f"{below}/{name}" if below else name
        expected.append((image, mean, spread, image, ""))
    write_workbook(folder / workbook, sheet, content or workbook.rsplit(".", 1)[1])
    return rows(expected)


def write_workbook(path: Path, lines: list[list], content: str) -> None:
    """Write rows as the sheet ``Plan1`` of a workbook, whatever its name says."""
    if content == "xls":
        book = xlwt.Workbook()
        sheet = book.add_sheet("Plan1")
        for i, row in enumerate(lines):
            for j, value in enumerate(row):
                if value is not None:
                    sheet.write(i, j, value)
        with path.open("wb") as file:
            book.save(file)
    else:
        pictures.write_workbook(path, lines, "Plan1")

"""A tiny CSIQ: title rows and a shifted header in the workbook, types spelled in three ways."""

from pathlib import Path

import openpyxl
import pandas as pd

from official.pictures import picture, rows

REFERENCES = (
    "1600", "aerial_city", "boston", "bridge", "butter_flower", "cactus", "child_swimming",
    "couple", "elk", "family", "fisher", "foxy",
)  # fmt: skip
TYPES = (
    (1, "noise", "awgn", "AWGN"),
    (2, "jpeg", "jpeg", "JPEG"),
    (3, "jpeg 2000", "jpeg2000", "jpeg2000"),
    (4, "fnoise", "fnoise", "fnoise"),
    (5, "blur", "blur", "BLUR"),
    (6, "contrast", "contrast", "contrast"),
)
HEADER = ("image", "dst_idx", "dst_type", "dst_lev", "dmos_std", "dmos")


def write(
    folder: Path,
    contents: int = 6,
    *,
    below: str = "dst_imgs",
    workbook: str = "csiq.DMOS.xlsx",
) -> pd.DataFrame:
    """Write the dataset.

    Args:
        folder: The dataset's folder; made here.
        contents: Number of pristine images.
        below: Folder of the folders of images, ``""`` for none.
        workbook: Name of the workbook.
    """
    (folder / "src_imgs").mkdir(parents=True)
    lines, expected = [], []
    for content, reference in enumerate(REFERENCES[:contents]):
        picture(content, 0).save(folder / "src_imgs" / f"{reference}.png")
        for index, kind, directory, part in TYPES:
            for level in (1, 3) if kind == "contrast" else (1, 3, 5):
                blur = (level - 1) / 4.5 + index / 60
                image = "/".join(
                    filter(None, [below, directory, f"{reference}.{part}.{level}.png"])
                )
                (folder / image).parent.mkdir(parents=True, exist_ok=True)
                picture(content, blur).save(folder / image)
                dmos, std = round(0.9 * blur + content / 1000, 6), round(0.01 * level, 6)
                named = int(reference) if reference.isdigit() else reference
                lines.append((named, index, kind, level, std, dmos))
                expected.append((image, 1 - dmos, std, reference, ""))
    write_workbook(folder / workbook, [HEADER, *lines])
    return rows(expected)


def write_workbook(path: Path, lines: list[tuple], sheet: str = "all_by_image") -> None:
    """Write a header and its rows from D4 on, as the official workbook has them."""
    book = openpyxl.Workbook()
    book.active.title = "all_by_distortion"
    book.active.append(["#REF!"])
    page = book.create_sheet(sheet)
    page.append(["CSIQ image quality database"])
    page.append([])
    page.append([None, None, None, "Differential mean opinion scores"])
    for line in lines:
        page.append([None, None, None, *line])
    page.append([None, None, None, None, None, None, None, None, None, "padding"])
    book.save(path)

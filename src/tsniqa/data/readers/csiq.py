"""CSIQ, the Categorical Subjective Image Quality database, as it is distributed.

Layout::

    csiq.DMOS.xlsx (csiq.beta.xlsx in older copies)
    dst_imgs/awgn/1600.AWGN.1.png ...      likewise blur, contrast, fnoise, jpeg, jpeg2000

The sheet ``all_by_image`` has a row an image below some title rows and a header that does not begin
in the first column. One pristine image is called 1600, which the sheet holds as a number; AWGN is
called noise there. The six folders may also lie beside the workbook. A differential score (DMOS) is
lower for the better image and lies in [0, 1]: ``mos`` is 1 - DMOS.
"""

from pathlib import Path

import pandas as pd

from tsniqa.data.readers import files
from tsniqa.errors import DataError

SHEET = "all_by_image"
COLUMNS = ("image", "dst_type", "dst_lev", "dmos_std", "dmos")
TYPES = ("awgn", "jpeg", "jpeg2000", "fnoise", "blur", "contrast")  # folders, and parts of names


def read(root: Path) -> pd.DataFrame:
    """Read the workbook, all of whose rows must name an image."""
    path = files.require(root, "csiq.DMOS.xlsx", "csiq.beta.xlsx")
    sheet = _below_header(files.spreadsheet(path, sheet_name=SHEET, header=None), path)
    below = "" if files.find(root, *TYPES) and not files.find(root, "dst_imgs") else "dst_imgs/"
    images, references = [], []
    levels = files.numbers(sheet["dst_lev"])
    for image, kind, level in zip(sheet["image"], sheet["dst_type"], levels, strict=True):
        kind = "".join(str(kind).lower().split())
        kind = "awgn" if kind == "noise" else kind
        if kind not in TYPES or level % 1 != 0:
            raise DataError(
                f"{path} has a row of {image} with the type '{kind}' and the level {level:g}; the"
                f" types are {', '.join(TYPES)} and levels are whole; {files.OFFICIAL}"
            )
        references.append(str(image).strip())
        images.append(f"{below}{kind}/{references[-1]}.{kind}.{int(level)}.png")
    mos = 1 - files.numbers(sheet["dmos"])
    return files.rows(root, images, mos, std=sheet["dmos_std"], reference=references)


def _below_header(sheet: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Return the columns of interest in the rows below the header that name an image."""
    for place, row in enumerate(sheet.itertuples(index=False)):
        titles = [str(title).strip().lower() for title in row]
        if set(COLUMNS) <= set(titles):
            columns = [titles.index(column) for column in COLUMNS]
            table = sheet.iloc[place + 1 :, columns].set_axis(list(COLUMNS), axis=1)
            return table[table["image"].notna()]
    raise DataError(
        f"{path} has no row with {', '.join(COLUMNS)} in the sheet {SHEET}; {files.OFFICIAL}"
    )

"""SPAQ, the Smartphone Photography Attribute and Quality database, as it is distributed.

Layout::

    Annotations/MOS and Image attribute scores.xlsx
    Annotations/Scene category labels.xlsx, Annotations/EXIF_tags.xlsx   (not read)
    TestImage/00001.jpg ... TestImage/11125.jpg

The first sheet has its header in the first row; ``Image name`` and ``MOS`` (0 to 100, higher is
better) are read, the attributes are not. The workbook has no standard deviations: the authors
shared them later in a file of its own, so ``std`` is empty. A copy of the workbook with
underscores in its name circulates too. Every photograph is its own content, none is left out, and
no split is published.
"""

from pathlib import Path

import pandas as pd

from tsniqa.data.readers import layout
from tsniqa.errors import DataError

WORKBOOKS = (
    "Annotations/MOS and Image attribute scores.xlsx",
    "Annotations/MOS_and_Image_attribute_scores.xlsx",
)


def read(root: Path) -> pd.DataFrame:
    """Read the ratings of SPAQ.

    Args:
        root: The dataset's folder.

    Returns:
        See :func:`tsniqa.data.readers.layout.rows`.

    Raises:
        DataError: The workbook is missing, is none, or lacks a column.
    """
    path = layout.require(root, *WORKBOOKS)
    sheet = layout.spreadsheet(path, dtype={"Image name": str})
    sheet.columns = [str(column).strip() for column in sheet.columns]
    for needed in ("Image name", "MOS"):
        if needed not in sheet:
            raise DataError(
                f"{path} lacks the column {needed} in its first row (it has"
                f" {', '.join(sheet.columns)}); get the official workbook"
            )
    sheet = sheet[sheet["Image name"].notna()]
    names = layout.Names(root, "TestImage")
    return layout.rows([names[name.strip()] for name in sheet["Image name"]], sheet["MOS"])

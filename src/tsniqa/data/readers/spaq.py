"""SPAQ, the Smartphone Photography Attribute and Quality database, as it is distributed.

Layout::

    Annotations/MOS and Image attribute scores.xlsx   (with underscores in some copies)
    TestImage/00001.jpg ... TestImage/11125.jpg

The first sheet has its header in the first row; ``Image name`` and ``MOS`` (0 to 100, higher is
better) are read, the attributes are not. There are no standard deviations.
"""

from pathlib import Path

import pandas as pd

from tsniqa.data.readers import files

WORKBOOKS = (
    "Annotations/MOS and Image attribute scores.xlsx",
    "Annotations/MOS_and_Image_attribute_scores.xlsx",
)


def read(root: Path) -> pd.DataFrame:
    """Read the workbook."""
    path = files.require(root, *WORKBOOKS)
    sheet = files.spreadsheet(path, ["Image name", "MOS"], dtype={"Image name": str})
    sheet = sheet[sheet["Image name"].notna()]
    return files.rows(root, "TestImage/" + sheet["Image name"].str.strip(), sheet["MOS"])

"""BID, the Blurred Image Database, as it is distributed.

Layout::

    DatabaseGrades.xls (or .xlsx)
    ImageDatabase/DatabaseImage0001.JPG ... DatabaseImage0590.JPG

The first sheet has its header in the first row; the columns that matter are ``Image Number`` and
``Average Subjective Grade`` (higher is better, 0 to 5). Image numbers have four digits in file
names and leave gaps: 586 photographs are numbered up to 590. From the fourth column on stand the
grades of the single observers, with empty cells where one did not rate; their sample standard
deviation is ``std``. Copies with the images beside the workbook circulate too. Every photograph
is its own content, none is left out, and no split is published.
"""

from pathlib import Path

import pandas as pd

from tsniqa.data.readers import layout
from tsniqa.errors import DataError

NUMBER, GRADE = "Image Number", "Average Subjective Grade"
FIRST_OBSERVER = 3  # position of the column


def read(root: Path) -> pd.DataFrame:
    """Read the ratings of BID.

    Args:
        root: The dataset's folder.

    Returns:
        See :func:`tsniqa.data.readers.layout.rows`.

    Raises:
        DataError: The workbook is missing, is none, lacks a column, or holds no image number.
    """
    path = layout.require(root, "DatabaseGrades.xls", "DatabaseGrades.xlsx")
    sheet = layout.spreadsheet(path)
    titles = {" ".join(str(title).split()).lower(): title for title in sheet.columns}
    for needed in (NUMBER, GRADE):
        if needed.lower() not in titles:
            raise DataError(
                f"{path} lacks the column {needed} in its first row (it has"
                f" {', '.join(map(str, sheet.columns))}); get the official workbook"
            )
    sheet = sheet[sheet[titles[NUMBER.lower()]].notna()]
    numbers = layout.numbers(sheet[titles[NUMBER.lower()]])
    if not len(numbers) or not (numbers % 1 == 0).all():
        raise DataError(
            f"{path} must give a whole number as {NUMBER} in every row; get the official workbook"
        )
    folder = "ImageDatabase" if layout.find(root, "ImageDatabase") else ""
    names = layout.Names(root, folder)
    observers = sheet.iloc[:, FIRST_OBSERVER:].apply(pd.to_numeric, errors="coerce")
    return layout.rows(
        [names[f"DatabaseImage{int(number):04d}.JPG"] for number in numbers],
        sheet[titles[GRADE.lower()]],
        std=observers.astype(float).std(axis=1),
    )

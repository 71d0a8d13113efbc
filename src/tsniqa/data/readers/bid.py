"""BID, the Blurred Image Database, as it is distributed.

Layout::

    DatabaseGrades.xls (or .xlsx)
    ImageDatabase/DatabaseImage0001.JPG ... DatabaseImage0590.JPG

The first sheet has its header in the first row. ``Image Number`` leaves gaps: 586 photographs are
numbered up to 590. ``Average Subjective Grade`` is higher for the better image, 0 to 5. From the
fourth column on stand the grades of the single observers, empty where one did not rate; their
sample standard deviation is ``std``. Copies with the images beside the workbook circulate too.
"""

from pathlib import Path

import pandas as pd

from tsniqa.data.readers import files
from tsniqa.errors import DataError

NUMBER, GRADE = "Image Number", "Average Subjective Grade"
FIRST_OBSERVER = 3  # position of the column


def read(root: Path) -> pd.DataFrame:
    """Read the workbook.

    Raises:
        DataError: It holds no image number, or one that is not whole.
    """
    path = files.require(root, "DatabaseGrades.xls", "DatabaseGrades.xlsx")
    sheet = files.spreadsheet(path, [NUMBER, GRADE])
    sheet = sheet[sheet[NUMBER].notna()]
    numbers = files.numbers(sheet[NUMBER])
    if not len(numbers) or not (numbers % 1 == 0).all():
        raise DataError(
            f"{path} must give a whole number as {NUMBER} in every row; {files.OFFICIAL}"
        )
    folder = "ImageDatabase/" if files.find(root, "ImageDatabase") else ""
    observers = sheet.iloc[:, FIRST_OBSERVER:].apply(pd.to_numeric, errors="coerce")
    return files.rows(
        root,
        [f"{folder}DatabaseImage{int(number):04d}.JPG" for number in numbers],
        sheet[GRADE],
        std=observers.astype(float).std(axis=1),
    )

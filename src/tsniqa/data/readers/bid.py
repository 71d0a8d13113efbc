"""BID, the Blurred Image Database, as it is distributed.

Layout::

    DatabaseGrades.xls (or .xlsx)
    ImageDatabase/DatabaseImage0001.JPG ... DatabaseImage0590.JPG

``Image Number`` leaves gaps: 586 photographs are numbered up to 590. ``Average Subjective Grade``,
0 to 5, is higher for the better image. From the fourth column on stand the grades of the observers,
empty where one did not rate; their sample standard deviation is ``std``. In some copies the images
lie beside the workbook.
"""

from pathlib import Path

import pandas as pd

from tsniqa.data.readers import files
from tsniqa.errors import DataError

NUMBER, GRADE = "Image Number", "Average Subjective Grade"


def read(root: Path) -> pd.DataFrame:
    """Read the workbook, all of whose image numbers must be whole."""
    path = files.require(root, "DatabaseGrades.xls", "DatabaseGrades.xlsx")
    sheet = files.spreadsheet(path, [NUMBER, GRADE])
    sheet = sheet[sheet[NUMBER].notna()]
    numbers = files.numbers(sheet[NUMBER])
    if not len(numbers) or not (numbers % 1 == 0).all():
        raise DataError(
            f"{path} must give a whole number as {NUMBER} in every row; {files.OFFICIAL}"
        )
    folder = "ImageDatabase/" if files.find(root, "ImageDatabase") else ""
    observers = sheet.iloc[:, 3:].apply(pd.to_numeric, errors="coerce")
    return files.rows(
        root,
        [f"{folder}DatabaseImage{int(number):04d}.JPG" for number in numbers],
        sheet[GRADE],
        std=observers.astype(float).std(axis=1),
    )

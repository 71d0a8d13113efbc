"""BIQ2021: three subsets of photographs, rated together, each of them a task.

The authors' repository, as it is cloned or as its archive unpacks::

    Train (Images and MOS).csv   Image Name, MOS and two empty columns; 10,000 rows
    Test (Images and MOS).csv    Image Name, MOS; 2,000 rows
    Images/                      ss01 (1).jpg ... ss03 (8000).jpg

The start of an image's name tells its subset; both tables shuffle the three. The first two look
swapped against their description: files named ss01 show faults made on purpose, files named ss02 a
private gallery. So the tasks bear the files' names. Which photographs show one scene is not
published; ``reference`` comes from their thumbnails (:mod:`tsniqa.data.scenes`).

Ratings lie in [0, 1], higher is better; ``Train.csv`` and ``Test.csv`` hold them on another scale.
A validation part is missing, so the authors' two parts are kept out of ``split``: the study splits
anew.
"""

from pathlib import Path

import pandas as pd

from tsniqa.data.readers import files
from tsniqa.data.scenes import same_scene
from tsniqa.errors import DataError

TABLES = ("Train (Images and MOS).csv", "Test (Images and MOS).csv")


def read(root: Path, subset: str) -> pd.DataFrame:
    """Read the files of both tables that are named ``"ss01"``, ``"ss02"`` or ``"ss03"``."""
    columns = ["Image Name", "MOS"]
    paths = [files.require(root, name) for name in TABLES]
    table = pd.concat([files.csv_table(path, columns)[columns] for path in paths])
    table = table[table["Image Name"].str.lower().str.startswith(subset)]
    if table.empty:
        raise DataError(
            f"{paths[0]} and {paths[1].name} list no image whose name begins with {subset};"
            " get them again"
        )
    rated = files.rows(root, "Images/" + table["Image Name"], table["MOS"])
    images = rated["image"].sort_values(ignore_index=True)
    first = same_scene([Path(root) / image for image in images])
    scene = dict(zip(images, images[first], strict=True))
    return rated.assign(reference=rated["image"].map(scene))

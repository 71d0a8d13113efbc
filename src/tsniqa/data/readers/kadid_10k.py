"""KADID-10k, the Konstanz Artificially Distorted Image quality Database, as it is distributed.

Layout::

    dmos.csv                        dist_img, ref_img, dmos, var
    images/I01_01_01.png ...        content, distortion type (1 to 25) and level (1 to 5)

``dmos`` is, in spite of its name, higher for the better image: a mean of ratings from 1 to 5. Nor
is ``var`` a variance: it is the standard deviation of the same ratings, because some 30 whole
ratings an image give the published pairs of mean and ``var`` that way and never the other.
"""

from pathlib import Path, PurePosixPath

import pandas as pd

from tsniqa.data.readers import files
from tsniqa.errors import DataError


def read(root: Path) -> pd.DataFrame:
    """Read ``dmos.csv``, all of whose rows must name an image."""
    path = files.require(root, "dmos.csv")
    table = files.csv_table(path, ["dist_img", "ref_img", "dmos", "var"])
    unnamed = (table["dist_img"] == "") | (table["ref_img"] == "")
    if unnamed.any():
        raise DataError(f"{path} row {unnamed.argmax() + 2} lacks an image; {files.OFFICIAL}")
    return files.rows(
        root,
        "images/" + table["dist_img"],
        table["dmos"],
        std=table["var"],
        reference=[PurePosixPath(image).stem for image in table["ref_img"]],
    )

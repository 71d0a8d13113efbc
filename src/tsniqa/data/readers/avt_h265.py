"""AVT H.265 stills: single frames of UHD video, scaled, coded with H.265, rated in a laboratory.

The authors' repository, as it is cloned or as its archive unpacks::

    test_1/mos_ci.csv   image_name, mos, ci, std: one row a rated image, 371 rows
    test_1/images/      <image_name>.png

The scale goes from 1 (bad) to 5 (excellent), higher is better. ``std`` is the sample standard
deviation over the 21 participants; an older table lacks it. What stands before ``_crf_`` in a name
such as ``Dancers.avi_1frame_crf_07_height_0544`` is the reference. ``test_2``, a crowd test on
patches of these images, is not read.
"""

from pathlib import Path

import pandas as pd

from tsniqa.data.readers import files


def read(root: Path) -> pd.DataFrame:
    """Read the laboratory test."""
    table = files.csv_table(files.require(root, "test_1/mos_ci.csv"), ["image_name", "mos"])
    return files.rows(
        root,
        "test_1/images/" + table["image_name"] + ".png",
        table["mos"],
        std=table.get("std"),
        reference=table["image_name"].str.rsplit("_crf_", n=1).str[0],
    )

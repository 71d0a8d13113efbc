"""AVT H.265 stills: single frames of UHD video, scaled, coded with H.265, rated in a laboratory.

The authors' repository, as it is cloned or as its archive unpacks::

    image_quality_test/
        test_1/mos_ci.csv   image_name, mos, ci, std: one row a rated image, 371 rows
        test_1/images/      <image_name>.png

``test_1`` is the laboratory test, on a scale from 1 (bad) to 5 (excellent), higher is better.
``std`` is the sample standard deviation over the 21 participants; an older ``mos_ci.csv`` lacks it,
and then it is unpublished here. ``ci`` is the width of the 95% interval, empty where all agreed; it
is not read.

An image's name is that of its source frame, then ``_crf_``, the coder's rate factor, ``_height_``
and the coded height: ``Dancers.avi_1frame_crf_07_height_0544``. What stands before ``_crf_`` is the
reference. There are 38; they are not rated themselves, and no split is published. ``test_2``, a
crowd test on patches of these images, is not read.
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

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

from tsniqa.data.readers import layout


def read(root: Path) -> pd.DataFrame:
    """Read the dataset.

    Args:
        root: The folder of the repository.

    Returns:
        The rows in the order of the table; see :func:`tsniqa.data.readers.layout.rows`.

    Raises:
        DataError: The table is missing, unreadable or lacks a column.
    """
    path = layout.require(root, "test_1/mos_ci.csv")
    table = layout.csv_table(path, ["image_name", "mos"])
    names = layout.Names(root, "test_1/images")
    return layout.rows(
        [names[f"{name}.png"] for name in table["image_name"]],
        table["mos"],
        std=table.get("std"),
        reference=[name.rsplit("_crf_", 1)[0] for name in table["image_name"]],
    )

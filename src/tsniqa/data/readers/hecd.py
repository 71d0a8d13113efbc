"""HECD: photographs recoloured in many ways, rated for how natural their colours are.

The authors' repository, as it is cloned or as its archive unpacks::

    Data/mean_zscores.csv   Ground Truth File, Recolour File, Mean zScore
    HECDImages/             015004_gt.jpg (the photograph), 015004A.jpg, 015004AB_1.jpg, ...

A mean z-score of the observers has no fixed ends; higher is more natural. The photograph is the
reference of its recolourings and is rated itself, every one of the 20 with the same score.
"""

from pathlib import Path

import pandas as pd

from tsniqa.data.readers import files

COLUMNS = ["Ground Truth File", "Recolour File", "Mean zScore"]


def read(root: Path) -> pd.DataFrame:
    """Read every rated image, photographs included."""
    table = files.csv_table(files.require(root, "Data/mean_zscores.csv"), COLUMNS)
    photograph, image, score = (table[column] for column in COLUMNS)
    reference = photograph.str.removesuffix("_gt.jpg")
    return files.rows(root, "HECDImages/" + image, score, reference=reference)

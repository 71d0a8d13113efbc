"""LIVE In the Wild Image Quality Challenge Database, as it is distributed.

Layout::

    Data/AllImages_release.mat   AllImages_release: cell array of 1,169 file names
    Data/AllMOS_release.mat      AllMOS_release: their mean opinion scores
    Data/AllStdDev_release.mat   AllStdDev_release: standard deviations of the opinions
    Images/10.bmp, Images/527.bmp, Images/533.JPG, Images/1162.bmp, ...

The three variables are in the same order. Scores run from 0 to 100, higher is better. The first
seven entries, t1 to t7, are the images that observers were trained with; like everyone who uses the
dataset, the reader leaves them out, which leaves 1,162.
"""

from pathlib import Path

import pandas as pd

from tsniqa.data.readers import files
from tsniqa.errors import DataError

TRAINING_IMAGES = [f"t{number}" for number in range(1, 8)]


def read(root: Path) -> pd.DataFrame:
    """Read the three variables, of one length and with the training images first."""
    images, mos, std = (
        files.matlab(files.require(root, f"Data/{variable}.mat"), variable)[0].ravel()
        for variable in ("AllImages_release", "AllMOS_release", "AllStdDev_release")
    )
    if not len(images) == len(mos) == len(std):
        raise DataError(
            f"{root}/Data has {len(images)} names, {len(mos)} scores and {len(std)} deviations;"
            " get the three files from one release"
        )
    first = [Path(str(name)).stem.lower() for name in images[: len(TRAINING_IMAGES)]]
    if first != TRAINING_IMAGES:
        raise DataError(
            f"{root}/Data/AllImages_release.mat must begin with the seven training images t1 to t7"
            f" (it begins with {', '.join(map(str, images[:3]))}); {files.OFFICIAL}"
        )
    rated = slice(len(TRAINING_IMAGES), None)
    return files.rows(
        root, [f"Images/{name}" for name in images[rated]], mos[rated], std=std[rated]
    )

"""LIVE Image Quality Assessment Database, release 2, as it is distributed.

Layout::

    jp2k/ jpeg/ wn/ gblur/ fastfading/     img1.bmp, img2.bmp, ...
    dmos.mat                               dmos, orgs
    dmos_realigned.mat                     dmos_new, dmos_std, orgs
    refnames_all.mat                       refnames_all, the pristine image of every entry

Every variable has 982 entries: the images of the five folders in the order above, each folder's by
number. ``orgs`` is 1 for the 203 entries that are copies of a pristine image; they are left out, so
that 779 remain. The realigned differential scores are preferred to those of ``dmos.mat``, which
come without deviations. A differential score (DMOS) is lower for the better image, and its scale
ends at 100: ``mos`` is 100 - DMOS. Some realigned scores leave the scale, by at most 12.
"""

from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from tsniqa.data.readers import files
from tsniqa.errors import DataError

# Folders in the order of the variables, and how many images each has.
FOLDERS = {"jp2k": 227, "jpeg": 233, "wn": 174, "gblur": 174, "fastfading": 174}
WORST = 100  # upper end of the scale of differential scores


def read(root: Path) -> pd.DataFrame:
    """Read the scores; every variable must have 982 entries."""
    names_path = files.require(root, "refnames_all.mat")
    path = files.require(root, "dmos_realigned.mat", "dmos.mat")
    if path.name.lower() == "dmos_realigned.mat":
        dmos, copies, std = files.matlab(path, "dmos_new", "orgs", "dmos_std")
    else:
        dmos, copies = files.matlab(path, "dmos", "orgs")
        std = np.full(dmos.shape, np.nan)
    (pristine,) = files.matlab(names_path, "refnames_all")
    images = [
        f"{folder}/img{number}.bmp"
        for folder, count in FOLDERS.items()
        for number in range(1, count + 1)
    ]
    for place, values in [(path, dmos), (path, copies), (path, std), (names_path, pristine)]:
        if values.shape != (len(images),):
            raise DataError(
                f"{place} has a variable of {values.size} entries, and the release has"
                f" {len(images)} images; get the file of release 2"
            )
    references = [PurePosixPath(str(name).strip().lower()).stem for name in pristine]
    mos = WORST - files.numbers(dmos)
    table = files.rows(root, images, mos, std=std, reference=references)
    return table[copies != 1].reset_index(drop=True)

"""A tiny LIVE release 2: all 982 entries in the .mat files, of which most are pristine copies."""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.io import savemat

from official.pictures import picture, rows

COUNTS = {"jp2k": 227, "jpeg": 233, "wn": 174, "gblur": 174, "fastfading": 174}
REFERENCES = ("bikes", "building2", "buildings", "caps", "carnivaldolls", "cemetry")


def write(folder: Path, images: int = 40, *, realigned: bool = True) -> pd.DataFrame:
    """Write a multiple of five distorted images, with or without ``dmos_realigned.mat``."""
    (folder / "refimgs").mkdir(parents=True)
    for content, name in enumerate(REFERENCES):
        picture(content, 0).save(folder / "refimgs" / f"{name}.bmp")
    dmos, realigned_dmos, deviations = np.zeros(982), np.zeros(982), np.zeros(982)
    copies = np.ones(982, dtype=np.uint8)
    pristine, expected = [], []
    for kind, count in COUNTS.items():
        first = len(pristine)
        (folder / kind).mkdir()
        for number in range(1, count + 1):
            name = REFERENCES[number // 3 % len(REFERENCES)]
            pristine.append(f"{name}.bmp")
            if number in (1, 3):  # two of the copies are there as files
                picture(number // 3 % len(REFERENCES), 0).save(folder / kind / f"img{number}.bmp")
        for number in range(2, 2 + 3 * (images // 5), 3):
            place, level = first + number - 1, (len(expected) * 7 % images) / (images - 1)
            picture(number // 3 % len(REFERENCES), level).save(folder / kind / f"img{number}.bmp")
            copies[place] = 0
            dmos[place] = round(4 + 80 * level, 4)
            realigned_dmos[place] = round(102 * level - 1, 4)  # from -1 to 101
            deviations[place] = round(1.5 + level, 4)
            mos = 100 - (realigned_dmos if realigned else dmos)[place]
            std = deviations[place] if realigned else np.nan
            name = REFERENCES[number // 3 % len(REFERENCES)]
            expected.append((f"{kind}/img{number}.bmp", mos, std, name, ""))
    savemat(folder / "dmos.mat", {"dmos": dmos[None], "orgs": copies[None]})
    if realigned:
        content = {"dmos_new": realigned_dmos[None], "orgs": copies[None]}
        savemat(folder / "dmos_realigned.mat", content | {"dmos_std": deviations[None]})
    cells = np.empty((1, 982), dtype=object)
    cells[0, :] = pristine
    savemat(folder / "refnames_all.mat", {"refnames_all": cells})
    return rows(expected)

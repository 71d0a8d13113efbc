"""A tiny LIVE Challenge: three .mat files, .bmp and .JPG images, seven training images first."""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.io import savemat

from official.pictures import picture

TRAINING = 7


def write(folder: Path, images: int = 36) -> pd.DataFrame:
    """Write the dataset with ``images`` rated images, and the seven that are left out."""
    (folder / "Data").mkdir(parents=True)
    (folder / "Images" / "trainingImages").mkdir(parents=True)
    (folder / "README.txt").write_text("LABORATORY FOR IMAGE AND VIDEO ENGINEERING\n")
    names = [f"trainingImages/t{number}.bmp" for number in range(1, TRAINING + 1)]
    rated = sorted(str(number) for number in range(3, images + 3))  # as texts: 10, 11, 12, ..., 3
    names += [f"{number}.{'JPG' if int(number) % 3 == 0 else 'bmp'}" for number in rated]
    levels = [(place * 7 % images) / (images - 1) for place in range(len(names))]
    mos = np.array([92.4 - 87.1 * level + 0.01 * place for place, level in enumerate(levels)])
    std = np.array([12.0 + 0.25 * place for place in range(len(names))])
    for place, (name, level) in enumerate(zip(names, levels, strict=True)):
        picture(place, level).save(folder / "Images" / name, quality=95)
    write_names(folder, [name.rsplit("/", 1)[-1] for name in names])
    write_numbers(folder, "AllMOS_release", mos)
    write_numbers(folder, "AllStdDev_release", std)
    expected = pd.DataFrame(
        {
            "image": [f"Images/{name}" for name in names],
            "mos": mos,
            "std": std,
            "reference": [f"Images/{name}" for name in names],
            "split": "",
        }
    )
    return expected[TRAINING:].reset_index(drop=True)


def write_names(folder: Path, names: list[str]) -> None:
    """Write the cell array of file names, a column of N x 1."""
    cells = np.empty((len(names), 1), dtype=object)
    cells[:, 0] = names
    savemat(folder / "Data" / "AllImages_release.mat", {"AllImages_release": cells})


def write_numbers(folder: Path, variable: str, values: np.ndarray) -> None:
    """Write a variable as its official file has it, a row of 1 x N."""
    savemat(folder / "Data" / f"{variable}.mat", {variable: np.asarray(values)[None, :]})

"""A tiny BIQ2021 repository: three subsets, two shuffled tables, empty trailing columns."""

import random
from pathlib import Path

import pandas as pd

from official.pictures import picture


def write(folder: Path, count: int = 30) -> pd.DataFrame:
    """Write ``count`` images a subset; every sixth one is in the authors' test part."""
    (folder / "Images").mkdir(parents=True)
    rated = []
    for number, subset in enumerate(("ss01", "ss02", "ss03")):
        for index in range(1, count + 1):
            level = (index - 1) / (count - 1)
            name = f"{subset} ({index}).jpg"
            picture(10_000 * number + index, level).save(folder / "Images" / name)
            rated.append((name, round(0.95 - 0.9 * level, 4)))
    random.Random(2021).shuffle(rated)
    test, train = rated[::6], [row for place, row in enumerate(rated) if place % 6]
    _table(folder / "Train (Images and MOS).csv", train, ",,")
    _table(folder / "Test (Images and MOS).csv", test, "")
    for name, part in (("Train.csv", train), ("Test.csv", test)):  # before they were scaled
        _table(folder / name, [(image, mos - 0.0728) for image, mos in part], "")
    expected = pd.DataFrame(train + test, columns=["image", "mos"])
    expected["image"] = "Images/" + expected["image"]
    return expected.assign(std=float("nan"), reference=expected["image"], split="")


def _table(path: Path, rated: list[tuple[str, float]], tail: str) -> None:
    lines = [f"Image Name,MOS{tail}", *(f"{name},{mos:.4f}{tail}" for name, mos in rated)]
    path.write_text("\r\n".join(lines) + "\r\n", encoding="utf-8")

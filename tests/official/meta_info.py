"""Folders with a table such as the toolbox IQA-PyTorch has: with references, or without."""

from pathlib import Path

import pandas as pd

from official.pictures import picture, rows

PARTS = ("train", "train", "train", "val", "test")


def write(folder: Path, count: int = 30) -> pd.DataFrame:
    """Write a no-reference set like KonIQ-10k's, with the split in ``official_split``."""
    folder.mkdir(parents=True)
    lines = ["img_name,mos,std,official_split,c1,c2,c3,c4,c5,c_total"]
    rated = []
    for number in range(count):
        level = number / (count - 1)
        name, mos, part = f"{10_004_473 + number}.jpg", round(90 - 80 * level, 4), number % 5
        picture(number, level).save(folder / name)
        lines.append(f"{name},{mos},{0.5 + level:.4f},{PARTS[part]},0,0,25,73,7,105")
        rated.append((name, mos, round(0.5 + level, 4), name, PARTS[part]))
    table = folder / "meta_info_KonIQ10kDataset.csv"
    table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return rows(rated)


def write_with_references(
    folder: Path, table: str, rating: str, *, worst: float, best: float, contents: int = 6
) -> pd.DataFrame:
    """Write five distorted images a content, named in another case than the table names them.

    The expected ratings are those in the table: whether they are turned round depends on its name.
    """
    (folder / "Blur").mkdir(parents=True)
    lines = [f"ref_name,dist_name,{rating},ratio802_seed123_split_01,ratio802_seed123_split_02"]
    rated = []
    for content in range(1, contents + 1):
        for level in range(5):
            value = round(best + (worst - best) * level / 4, 4)
            picture(content, level / 4).save(folder / "Blur" / f"i{content:02d}_{level + 1}.bmp")
            lines.append(
                f"I{content:02d}.BMP,blur/I{content:02d}_{level + 1}.bmp,{value},train,val"
            )
            image = f"Blur/i{content:02d}_{level + 1}.bmp"
            rated.append((image, value, float("nan"), f"I{content:02d}.BMP", ""))
    (folder / table).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return rows(rated)

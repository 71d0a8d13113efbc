"""A tiny KADID-10k: ``dmos.csv``, whose ``dmos`` is better when higher, and pristine images too."""

from pathlib import Path

import pandas as pd

from official.pictures import picture, rows

HEADER = "dist_img,ref_img,dmos,var"
RATERS = 30


def write(folder: Path, contents: int = 6) -> pd.DataFrame:
    """Write two distortions at five levels of some pristine images."""
    (folder / "images").mkdir(parents=True)
    lines, expected = [HEADER], []
    for content in range(1, contents + 1):
        picture(content, 0).save(folder / "images" / f"I{content:02d}.png")
        for kind in (1, 10):
            for level in range(1, 6):
                name, blur = f"I{content:02d}_{kind:02d}_{level:02d}.png", (level - 1) / 4
                picture(content, blur).save(folder / "images" / name)
                mos, std = rated(round(RATERS * (4.8 - 3.6 * blur)) - content - kind)
                lines.append(f"{name},I{content:02d}.png,{mos:g},{std:g}")
                expected.append((f"images/{name}", mos, std, f"I{content:02d}", ""))
    (folder / "dmos.csv").write_text("\n".join([*lines, ""]), encoding="utf-8")
    return rows(expected)


def rated(total: int) -> tuple[float, float]:
    """Return mean and standard deviation, rounded as published, of whole ratings with a sum."""
    low, above = divmod(total, RATERS)
    ratings = [low + 1] * above + [low] * (RATERS - above)
    mean = total / RATERS
    spread = (sum((rating - mean) ** 2 for rating in ratings) / RATERS) ** 0.5
    return round(mean, 2), round(spread, 3)

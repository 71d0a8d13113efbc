"""A tiny HECD repository: photographs and their recolourings, one table."""

from pathlib import Path

import pandas as pd

from official.pictures import picture

SCENES = ("015004", "022090", "376001")
KINDS = ("_gt", "A", *(f"{kind}_{step}" for kind in ("AB", "F") for step in range(1, 6)))


def write(folder: Path) -> pd.DataFrame:
    """Write every kind of every scene."""
    (folder / "HECDImages").mkdir(parents=True)
    (folder / "Data").mkdir()
    rated = []
    for number, scene in enumerate(SCENES):
        for step, kind in enumerate(KINDS):
            level = step / (len(KINDS) - 1)
            picture(number, level).save(folder / "HECDImages" / f"{scene}{kind}.jpg")
            rated.append((f"{scene}_gt.jpg", f"{scene}{kind}.jpg", 0.4 - level - number / 10))
    table = pd.DataFrame(rated, columns=["Ground Truth File", "Recolour File", "Mean zScore"])
    table.to_csv(folder / "Data" / "mean_zscores.csv", index=False)
    return pd.DataFrame(
        {
            "image": "HECDImages/" + table["Recolour File"],
            "mos": table["Mean zScore"],
            "std": float("nan"),
            "reference": table["Ground Truth File"].str[:6],
            "split": "",
        }
    )

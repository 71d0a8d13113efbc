"""A tiny TID2013: lists of scores, and names whose case differs between list and folder."""

from pathlib import Path

import pandas as pd

from official.pictures import picture, rows

CONTENTS = (25, *range(1, 25))
"""The last content comes first, because its names differ from those of the others."""


def write(folder: Path, contents: int = 6) -> pd.DataFrame:
    """Write a distortion's five levels of some pristine images."""
    for name in ("distorted_images", "reference_images"):
        (folder / name).mkdir(parents=True)
    scores, deviations, expected = [], [], []
    for content in sorted(CONTENTS[:contents]):
        last = content == 25
        reference = "i25.bmp" if last else f"I{content:02d}.BMP"
        picture(content, 0).save(folder / "reference_images" / reference, "BMP")
        for level in range(1, 6):
            stem, blur = f"{content:02d}_08_{level}", (level - 1) / 4
            listed = f"i{stem}.bmp" if last else f"I{stem}.bmp"
            stored = f"I{stem}.BMP" if last else f"i{stem}.bmp" if content % 2 else listed
            picture(content, blur).save(folder / "distorted_images" / stored, "BMP")
            mos, std = round(6.4 - 5 * blur + content / 1000, 5), round(0.1 + level / 100, 5)
            scores.append(f"{mos:.5f} {listed}")
            deviations.append(f"{std:.5f}")
            expected.append((f"distorted_images/{stored}", mos, std, f"I{content:02d}", ""))
    (folder / "mos_with_names.txt").write_bytes("\r\n".join([*scores, ""]).encode())
    (folder / "mos_std.txt").write_bytes("\r\n".join([*deviations, ""]).encode())
    mos = "\r\n".join(score.split()[0] for score in scores)
    (folder / "mos.txt").write_bytes(mos.encode())
    return rows(expected)

"""TID2013, the Tampere Image Database 2013, as it is distributed.

Layout::

    mos_with_names.txt                  lines of score and image, such as "5.51429 I01_01_1.bmp"
    mos_std.txt                         the deviation of every score, in the same order
    distorted_images/i01_01_1.bmp ...   content, distortion type (1 to 24) and level (1 to 5)

The list and the folder spell names with different case. Scores are mean opinion scores from 0 to 9,
higher is better. The content is the first number of the name.
"""

import re
from pathlib import Path

import pandas as pd

from tsniqa.data.readers import files
from tsniqa.errors import DataError

NAME = re.compile(r"i(\d\d)_\d\d_\d\.bmp", re.IGNORECASE)


def read(root: Path) -> pd.DataFrame:
    """Read the two lists, of one length and with an image in every line of the first."""
    path = files.require(root, "mos_with_names.txt")
    deviations_path = files.require(root, "mos_std.txt")
    images, scores, references = [], [], []
    for words in _lines(path):
        match = NAME.fullmatch(words[-1])
        if len(words) != 2 or match is None:
            raise DataError(
                f"{path} has the line '{' '.join(words)}', and a line is a score and an image such"
                f" as I01_01_1.bmp; {files.OFFICIAL}"
            )
        scores.append(words[0])
        images.append(f"distorted_images/{words[1]}")
        references.append(f"I{match[1]}")
    deviations = [words[0] for words in _lines(deviations_path)]
    if len(deviations) != len(images):
        raise DataError(
            f"{deviations_path} has {len(deviations)} lines and {path.name} has {len(images)}; get"
            " both from the same archive"
        )
    return files.rows(root, images, scores, std=deviations, reference=references)


def _lines(path: Path) -> list[list[str]]:
    """Return the words of every line that has any."""
    lines = [line.split() for line in path.read_text("latin-1").splitlines()]
    return [words for words in lines if words]

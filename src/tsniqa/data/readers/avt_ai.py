"""AVT-AI: images that five text-to-image generators made of 27 prompts, and eleven photographs.

The authors' repository, as it is cloned or as its archive unpacks::

    evaluation_quality_appeal/quality.csv   image_key, rating, std, prompt: 146 rows
    quality_evaluation/                     the same folder under its later name
        subjective/2023_02_17/_ratings.csv  user_ID, stimuli_file, rating_type, rating, ...
    images/<generator>/p01.png ... p27.png

Of the questions that people were asked, the one about *image quality* is read, on a scale from 1 to
5, higher is better. ``image_key`` is ``<generator>/<prompt>``; the prompt is the reference, so that
images of the same prompt, photographs included, stay in the same part. Where ``quality.csv`` is not
there, its numbers are computed as the authors' notebook does: over everybody who gave more than 100
answers, mean and sample standard deviation of the answers of type ``range_image_quality``.
"""

from pathlib import Path

import pandas as pd

from tsniqa.data.readers import files

MEANS = ("quality_evaluation/quality.csv", "evaluation_quality_appeal/quality.csv")
"""The table of mean ratings, under the two names that its folder has had."""

RATINGS = "quality_evaluation/subjective/2023_02_17/_ratings.csv"
"""The single ratings."""


def read(root: Path) -> pd.DataFrame:
    """Read the mean ratings, or compute them from the single ones."""
    path = files.require(root, *MEANS, RATINGS)
    if path.name.lower() == "quality.csv":
        table = files.csv_table(path, ["image_key", "rating", "std"])
    else:
        table = _means(path)
    return files.rows(
        root,
        [f"images/{key}.png" for key in table["image_key"]],
        table["rating"],
        std=table["std"],
        reference=[key.rpartition("/")[2] for key in table["image_key"]],
    )


def _means(path: Path) -> pd.DataFrame:
    """Compute the published means from the single ratings."""
    table = files.csv_table(path, ["user_ID", "stimuli_file", "rating_type", "rating"])
    kinds = ("range_image_appeal", "range_image_quality")
    table = table[table["rating_type"].isin(kinds) & (table["rating"] != "-1")]
    answers = table["user_ID"].map(table["user_ID"].value_counts())
    table = table[(answers > 100) & (table["rating_type"] == "range_image_quality")]
    key = table["stimuli_file"].str.removeprefix("./stimuli/").str.removesuffix(".png")
    ratings = pd.Series(files.numbers(table["rating"])).groupby(key.to_numpy())
    means = pd.DataFrame({"rating": ratings.mean(), "std": ratings.std()})
    return means.rename_axis("image_key").reset_index()

"""A tiny avt_ai_images repository: mean ratings, single ratings, answers to other questions."""

import csv
from pathlib import Path

import numpy as np
import pandas as pd

from official.pictures import picture

GENERATORS = ("craiyon", "dall-e", "glide", "midjourney", "own", "stable_diffusion")
QUALITY = {
    "craiyon": 2, "dall-e": 3, "glide": 1, "midjourney": 4, "own": 5, "stable_diffusion": 3,
}  # fmt: skip
HEADER = ("user_ID", "stimuli_ID", "stimuli_file", "rating_type", "rating", "timestamp")


def write(folder: Path, means: str | None = "evaluation_quality_appeal") -> pd.DataFrame:
    """Write the prompts p11 to p20, and ``quality.csv`` into the folder of means, if there is one.

    Photographs begin at p17, as they do there; five people give over 100 answers.
    """
    keys = [
        f"{generator}/p{prompt}"
        for generator in GENERATORS
        for prompt in range(11, 21)
        if generator != "own" or prompt >= 17
    ]
    random = np.random.default_rng(2023)
    answers = {key: _answers(key, random) for key in keys}
    answers[keys[1]].append(answers[keys[1]][0])  # one person answered twice
    for key in keys:
        generator, prompt = key.split("/")
        (folder / "images" / generator).mkdir(parents=True, exist_ok=True)
        level = (5 - QUALITY[generator]) / 4
        picture(GENERATORS.index(generator) * 100 + int(prompt[1:]), level).save(
            folder / "images" / f"{key}.png"
        )
    _single_ratings(folder / "quality_evaluation" / "subjective" / "2023_02_17", answers)
    if means:
        (folder / means).mkdir(exist_ok=True)
        with (folder / means / "quality.csv").open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(["image_key", "rating", "std", "prompt"])
            for key in keys:
                table.writerow([key, np.mean(answers[key]), _std(answers[key]), key[-3:]])
    return pd.DataFrame(
        {
            "image": [f"images/{key}.png" for key in keys],
            "mos": [float(np.mean(answers[key])) for key in keys],
            "std": [_std(answers[key]) for key in keys],
            "reference": [key[-3:] for key in keys],
            "split": "",
        }
    )


def _answers(key: str, random: np.random.Generator) -> list[int]:
    middle = QUALITY[key.split("/")[0]]
    return [int(np.clip(middle + random.integers(-1, 2), 1, 5)) for _ in range(5)]


def _std(answers: list[int]) -> float:
    return float(np.std(answers, ddof=1))


def _single_ratings(folder: Path, answers: dict[str, list[int]]) -> None:
    """Write five people who answered everything, and one who gave up and rates the wrong way."""
    folder.mkdir(parents=True)
    with (folder / "_ratings.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(HEADER)
        when = "2023-02-13 15:30:07 575841"
        for user in range(1, 7):
            table.writerow([user, -1, "", "user_registered", -1, when])
        for number, (key, given) in enumerate(answers.items()):
            people = [*enumerate(given[:5], 1), *((1, again) for again in given[5:])]
            if number < 20:
                people.append((6, 6 - given[0]))
            for user, answer in people:
                for kind, value in (
                    ("range_image_appeal", 3),
                    ("range_image_quality", answer),
                    ("ww", 2560),
                    ("start_timestamp", "Mon, 13 Feb 2023 15:29:51 GMT"),
                    ("quality_meta", -1),
                ):
                    table.writerow([user, number, f"./stimuli/{key}.png", kind, value, when])

"""AVT-AI: mean ratings of quality, or the single ones that they are the means of."""

import pandas as pd
import pytest

from official.avt_ai import write
from tsniqa.data.readers import avt_ai

THREE = (
    "image_key,rating,std,prompt\n"
    "craiyon/p17,2.24,1.3,p17\n"
    "glide/p17,1.68,1.0295630140987002,p17\n"
    "own/p17,4.0,1.0,p17\n"
)
MEANS = "evaluation_quality_appeal/quality.csv"
RATINGS = "quality_evaluation/subjective/2023_02_17/_ratings.csv"


def small(root, text, place=MEANS):
    """Write a repository without images."""
    (root / place).parent.mkdir(parents=True)
    (root / place).write_text(text)
    return root


def single(*answers):
    """Compose the file of single ratings from (user, image key, kind, answer)."""
    head = "user_ID,stimuli_ID,stimuli_file,rating_type,rating,timestamp\n"
    text = "".join(
        f"{user},0,./stimuli/{key}.png,range_image_{kind},{answer},now\n"
        for user, key, kind, answer in answers
    )
    return head + "1,-1,,user_registered,-1,now\n" + text


class TestReading:
    def test_rows_by_hand_higher_is_better(self, tmp_path):
        table = avt_ai.read(small(tmp_path / "avt", THREE))
        assert list(table["image"]) == [
            "images/craiyon/p17.png", "images/glide/p17.png", "images/own/p17.png",
        ]  # fmt: skip
        best, worst = table["mos"][2], table["mos"][1]  # a photograph; what GLIDE made of its words
        assert (best, worst) == (4.0, 1.68)
        assert list(table["std"].round(2)) == [1.3, 1.03, 1.0]
        assert list(table["split"]) == ["", "", ""]

    def test_the_prompt_is_the_reference_of_photographs_too(self, tmp_path):
        assert set(avt_ai.read(small(tmp_path / "avt", THREE))["reference"]) == {"p17"}
        write(tmp_path / "whole")
        counts = avt_ai.read(tmp_path / "whole")["reference"].value_counts().sort_index()
        assert list(counts.index) == [f"p{number}" for number in range(11, 21)]
        assert list(counts) == [5] * 6 + [6] * 4


class TestSingleRatings:
    def test_give_the_published_means_and_deviations(self, tmp_path):
        expected = write(tmp_path / "avt_ai_images", means=None)
        table = avt_ai.read(tmp_path / "avt_ai_images")
        pd.testing.assert_frame_equal(table, expected, check_exact=False, rtol=1e-12)

    def test_count_for_quality_of_those_who_answered_more_than_a_hundred_times(self, tmp_path):
        many = [(user, f"glide/p{n % 27:02d}", "appeal", 3) for user in (1, 2) for n in range(99)]
        answers = [
            (1, "own/p17", "quality", 5),
            (1, "own/p17", "appeal", 1),
            (2, "own/p17", "quality", 4),
            (2, "own/p17", "quality", 4),  # twice, as happened
            (3, "own/p17", "quality", 1),  # gave up
        ]
        root = small(tmp_path / "avt", single(*many, *answers), RATINGS)
        table = avt_ai.read(root)
        assert list(table["image"]) == ["images/own/p17.png"]
        assert table["mos"][0] == pytest.approx(13 / 3)
        assert table["std"][0] == pytest.approx((1 / 3) ** 0.5)

    def test_a_hundred_answers_are_too_few(self, tmp_path):
        many = [(1, f"glide/p{n % 27:02d}", "appeal", 3) for n in range(99)]
        root = small(tmp_path / "avt", single(*many, (1, "own/p17", "quality", 5)), RATINGS)
        assert avt_ai.read(root).empty

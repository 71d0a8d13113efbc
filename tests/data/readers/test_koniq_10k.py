"""KonIQ-10k: two tables in which MOS means two things, the authors' split, and two sizes."""

import numpy as np
import pandas as pd
import pytest

from official.koniq_10k import SCORES, SETS, write
from tsniqa.data.cards import find_card
from tsniqa.data.readers import koniq_10k
from tsniqa.errors import DataError

HEAD = "image_name,c1,c2,c3,c4,c5,c_total,MOS,SD,MOS_zscore\n"
SETS_HEAD = "image_name,c1,c2,c3,c4,c5,c_total,MOS,SD,set\n"


def read(folder, *, scores="", sets=""):
    if scores:
        (folder / SCORES).write_text(HEAD + scores)
    if sets:
        (folder / SETS).write_text(SETS_HEAD + sets)
    return koniq_10k.read(folder)


def refusal(folder, **tables):
    with pytest.raises(DataError) as error:
        read(folder, **tables)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("tables", [(SCORES, SETS), (SCORES,), (SETS,)])
def test_everything_written_is_read_from_either_table(tmp_path, tables):
    expected = write(tmp_path / "koniq10k", tables=tables)
    table = koniq_10k.read(tmp_path / "koniq10k")
    pd.testing.assert_frame_equal(table, expected, check_exact=True)
    assert len(table) == 40


def test_labels_are_the_mean_rating_and_not_the_z_scored_one(tmp_path):
    # the authors' two tables have the same image with MOS 3.828571429 and MOS 77.3836206897
    counts = "10004473376.jpg,0,0,25,73,7,105,3.828571429,0.527277894,77.38362069\n"
    shares = (
        "10004473376.jpg,0.0,0.0,0.238095238095,0.695238095238,0.0666666666667,105,"
        "77.3836206897,0.527277894494,training\n"
    )
    for name, tables in {"a": {"scores": counts}, "b": {"sets": shares}}.items():
        (tmp_path / name).mkdir()
        table = read(tmp_path / name, **tables)
        assert table["mos"][0] == 3.828571429
        assert table["std"][0] == pytest.approx(0.527277894)


def test_the_mildest_distortion_has_the_higher_mos_than_the_worst(tmp_path):
    best, worst = "1.jpg,0,0,0,20,80,100,4.8,0.4,98\n", "2.jpg,80,20,0,0,0,100,1.2,0.4,4\n"
    table = read(tmp_path, scores=best + worst)
    assert list(table["mos"]) == [4.8, 1.2]  # as published: higher is better
    assert find_card("koniq-10k").mos_range == (1, 5)
    assert not find_card("koniq-10k").flipped


def test_the_authors_split_is_taken_by_name(tmp_path):
    row = "0,0,0,20,80,100,4.8,0.4,98\n"
    table = read(
        tmp_path,
        scores="".join(f"{number}.jpg,{row}" for number in (1, 2, 3)),
        sets="3.jpg,0,0,0,.2,.8,100,98,.4,training\n"
        "1.jpg,0,0,0,.2,.8,100,98,.4,validation\n"
        "2.jpg,0,0,0,.2,.8,100,98,.4,test\n",
    )
    assert list(table["image"]) == ["1024x768/1.jpg", "1024x768/2.jpg", "1024x768/3.jpg"]
    assert list(table["split"]) == ["val", "test", "train"]


@pytest.mark.parametrize(
    ("sizes", "taken"),
    [
        (("1024x768", "512x384"), "1024x768"),
        (("512x384",), "512x384"),
        (("koniq10k_1024x768/1024x768",), "koniq10k_1024x768/1024x768"),
        (("koniq10k_1024x768", "512x384"), "koniq10k_1024x768"),
        ((), "1024x768"),
    ],
)
def test_full_size_images_go_before_half_size_ones(tmp_path, sizes, taken):
    (tmp_path / "koniq10k").mkdir()
    expected = write(tmp_path / "koniq10k", 8, sizes=sizes)
    table = koniq_10k.read(tmp_path / "koniq10k")
    assert list(table["image"]) == list(expected["image"])
    assert all(image.startswith(f"{taken}/1000") for image in table["image"])


def test_every_marker_of_the_card_is_a_table_that_the_reader_knows():
    assert find_card("koniq-10k").markers == (*koniq_10k.SCORES, *koniq_10k.SETS)


def test_an_image_without_ratings_has_no_label(tmp_path):
    table = read(tmp_path, scores="1.jpg,0,0,0,0,0,0,,,\n2.jpg,,,,,,,,,\n3.jpg,1,0,0,0,0,1,1,0,0\n")
    assert np.isnan(table["mos"][:2]).all()
    assert table["mos"][2] == 1


class TestDefects:
    def test_another_image_in_the_split(self, tmp_path):
        write(tmp_path, 8)
        sets = (tmp_path / SETS).read_text().replace("10004473376.jpg", "other.jpg")
        (tmp_path / SETS).write_text(sets)
        text = refusal(tmp_path)
        assert (
            "has 8 images and the ratings have 8 (10004473376.jpg is in one of them only)" in text
        )
        assert "get both files again, or remove it to split anew" in text

    def test_an_unknown_set(self, tmp_path):
        text = refusal(tmp_path, sets="1.jpg,0,0,0,.2,.8,100,98,.4,holdout\n")
        assert "has the set 'holdout', it must be training, validation or test" in text

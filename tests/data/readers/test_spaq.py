"""SPAQ: a workbook of ratings and its images."""

import pandas as pd

from official.spaq import WORKBOOK, write, write_workbook
from tsniqa.data.cards import find_card
from tsniqa.data.readers import spaq

HEADER = ["Image name", "MOS", "Brightness"]


def read(folder, *rows, header=HEADER):
    (folder / "Annotations").mkdir()
    write_workbook(folder / "Annotations" / WORKBOOK, [header, *rows])
    return spaq.read(folder)


def test_the_mildest_distortion_has_the_higher_mos_than_the_worst(tmp_path):
    table = read(tmp_path, ["00034.jpg", 91.2, 79.17], ["00014.jpg", 5.83, 7.0])  # as published
    assert list(table["mos"]) == [91.2, 5.83]
    assert table["mos"][0] > table["mos"][1]
    assert find_card("spaq").mos_range == (0, 100)
    assert not find_card("spaq").flipped


def test_a_workbook_with_underscores_in_its_name_is_read(tmp_path):
    expected = write(tmp_path / "SPAQ", 8, workbook="MOS_and_Image_attribute_scores.xlsx")
    pd.testing.assert_frame_equal(spaq.read(tmp_path / "SPAQ"), expected)
    assert find_card("spaq").markers == spaq.WORKBOOKS


def test_an_absent_rating_stays_and_an_empty_row_goes(tmp_path):
    table = read(tmp_path, ["00001.jpg", None], [None, None], ["00002.jpg", 62.5])
    assert table["mos"].isna().tolist() == [True, False]

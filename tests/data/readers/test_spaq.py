"""SPAQ: a workbook of ratings and its images."""

import pandas as pd
import pytest

from official.spaq import WORKBOOK, write, write_workbook
from tsniqa.data.cards import find_card
from tsniqa.data.readers import spaq
from tsniqa.errors import DataError

HEADER = ["Image name", "MOS", "Brightness"]


def read(folder, *rows, header=HEADER):
    (folder / "Annotations").mkdir()
    write_workbook(folder / "Annotations" / WORKBOOK, [header, *rows])
    return spaq.read(folder)


def test_everything_written_is_read(tmp_path):
    expected = write(tmp_path / "SPAQ")
    table = spaq.read(tmp_path / "SPAQ")
    pd.testing.assert_frame_equal(table, expected, check_exact=True)
    assert len(table) == 36
    assert table["image"][0] == "TestImage/00001.jpg"


def test_deviations_are_not_in_the_dataset(tmp_path):
    write(tmp_path / "SPAQ", 8)
    assert spaq.read(tmp_path / "SPAQ")["std"].isna().all()


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


def test_the_spelling_on_disk_is_taken(tmp_path):
    (tmp_path / "testimage").mkdir()
    (tmp_path / "testimage" / "00001.JPG").touch()
    table = read(tmp_path, ["00001.jpg", 48.86], ["00002.jpg ", 62.5])
    assert list(table["image"]) == ["testimage/00001.JPG", "testimage/00002.jpg"]


def test_an_absent_rating_stays_and_an_empty_row_goes(tmp_path):
    table = read(tmp_path, ["00001.jpg", None], [None, None], ["00002.jpg", 62.5])
    assert table["mos"].isna().tolist() == [True, False]


class TestDefects:
    def test_no_workbook(self, tmp_path):
        with pytest.raises(DataError, match=f"lacks Annotations/{WORKBOOK} or"):
            spaq.read(tmp_path)

    def test_no_workbook_but_in_name(self, tmp_path):
        (tmp_path / "Annotations").mkdir()
        (tmp_path / "Annotations" / WORKBOOK).write_bytes(b"damaged")
        with pytest.raises(DataError, match=r"scores\.xlsx cannot be read"):
            spaq.read(tmp_path)

    @pytest.mark.parametrize("lacking", HEADER[:2])
    def test_a_missing_column(self, tmp_path, lacking):
        header = ["Other" if title == lacking else title for title in HEADER]
        with pytest.raises(
            DataError, match=f"lacks the column {lacking} in its first row"
        ) as error:
            read(tmp_path, ["00001.jpg", 48.86, 47.43], header=header)
        assert "\n" not in str(error.value)

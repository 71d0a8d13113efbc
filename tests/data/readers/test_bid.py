"""BID: the workbook in either format, its gaps and empty cells, and its defects."""

import numpy as np
import pandas as pd
import pytest

from official.bid import write, write_workbook
from tsniqa.data.cards import find_card
from tsniqa.data.readers import bid
from tsniqa.errors import DataError

HEADER = ["Image Number", "Average Subjective Grade", ""]


def read(folder, *rows, header=HEADER):
    write_workbook(folder / "DatabaseGrades.xls", [header, *rows], "xls")
    return bid.read(folder)


@pytest.mark.parametrize("workbook", ["DatabaseGrades.xls", "DatabaseGrades.xlsx"])
@pytest.mark.parametrize("content", ["xls", "xlsx"])
def test_the_workbooks_content_counts_and_not_its_name(tmp_path, workbook, content):
    expected = write(tmp_path / "BID", 8, workbook=workbook, content=content)
    pd.testing.assert_frame_equal(bid.read(tmp_path / "BID"), expected)


def test_the_mildest_blur_has_the_higher_mos_than_the_worst(tmp_path):
    mild, worst = [1, 4.52], [2, 0.31]  # as published: higher is better
    table = read(tmp_path, mild, worst)
    assert list(table["mos"]) == [4.52, 0.31]
    assert table["mos"][0] > table["mos"][1]
    assert find_card("bid").mos_range == (0, 5)
    assert not find_card("bid").flipped


def test_std_is_that_of_the_observers_who_rated(tmp_path):
    table = read(tmp_path, [1, 3.0, None, 2.0, None, 4.0], [2, 4.0, None, 4.0, None, None])
    assert table["std"][0] == pytest.approx(2**0.5)  # sample deviation of 2 and 4
    assert np.isnan(table["std"][1])


def test_images_beside_the_workbook_are_found(tmp_path):
    expected = write(tmp_path / "BID", 8, below="")
    assert expected["image"][0] == "DatabaseImage0001.JPG"
    pd.testing.assert_frame_equal(bid.read(tmp_path / "BID"), expected)


def test_rows_without_a_number_are_left_out(tmp_path):
    table = read(tmp_path, [1, 3.0], [None, None], [None, 2.51])
    assert list(table["mos"]) == [3.0]


class TestDefects:
    @pytest.mark.parametrize("number", ["first", 1.5])
    def test_a_number_that_is_none(self, tmp_path, number):
        with pytest.raises(DataError, match="must give a whole number as Image Number"):
            read(tmp_path, [number, 3.0])

    def test_no_row(self, tmp_path):
        with pytest.raises(DataError, match="must give a whole number as Image Number"):
            read(tmp_path)

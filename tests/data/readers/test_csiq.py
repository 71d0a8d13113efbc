"""CSIQ: the shifted header, types spelled in three ways, a pristine image that is a number."""

import pandas as pd
import pytest

from official.csiq import HEADER, write, write_workbook
from tsniqa.data.cards import find_card
from tsniqa.data.readers import csiq
from tsniqa.errors import DataError


def read(folder, *rows, header=HEADER, **options):
    write_workbook(folder / "csiq.DMOS.xlsx", [header, *rows], **options)
    return csiq.read(folder)


def refusal(folder, *rows, **options):
    with pytest.raises(DataError) as error:
        read(folder, *rows, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_the_mildest_blur_has_the_higher_mos_than_the_worst(tmp_path):
    # As published: higher is worse.
    table = read(tmp_path, (1600, 5, "blur", 1, 0.053, 0.043), (1600, 5, "blur", 5, 0.054, 0.75))
    assert list(table["image"]) == [
        "dst_imgs/blur/1600.blur.1.png",
        "dst_imgs/blur/1600.blur.5.png",
    ]
    assert list(table["mos"]) == [pytest.approx(0.957), 0.25]
    assert list(table["std"]) == [0.053, 0.054]
    assert table["mos"][0] > table["mos"][1]
    assert find_card("csiq").mos_range == (0, 1)
    assert find_card("csiq").flipped


@pytest.mark.parametrize(
    ("kind", "image"),
    [
        ("noise", "dst_imgs/awgn/elk.awgn.2.png"),
        ("jpeg", "dst_imgs/jpeg/elk.jpeg.2.png"),
        ("jpeg 2000", "dst_imgs/jpeg2000/elk.jpeg2000.2.png"),
        ("jpeg2000", "dst_imgs/jpeg2000/elk.jpeg2000.2.png"),
        ("fnoise", "dst_imgs/fnoise/elk.fnoise.2.png"),
        (" Blur ", "dst_imgs/blur/elk.blur.2.png"),
        ("contrast", "dst_imgs/contrast/elk.contrast.2.png"),
    ],
)
def test_types_of_the_sheet_become_those_of_folders_and_files(tmp_path, kind, image):
    assert list(read(tmp_path, ("elk", 1, kind, 2, 0.1, 0.2))["image"]) == [image]


@pytest.mark.parametrize("image", [1600, 1600.0, "1600", " 1600 "])
def test_a_pristine_image_may_be_called_by_a_number(tmp_path, image):
    table = read(tmp_path, (image, 1, "noise", 1, 0.1, 0.2), ("elk", 1, "noise", 2.0, 0.1, 0.2))
    assert list(table["reference"]) == ["1600", "elk"]
    assert list(table["image"]) == ["dst_imgs/awgn/1600.awgn.1.png", "dst_imgs/awgn/elk.awgn.2.png"]


def test_the_folders_of_types_may_lie_beside_the_workbook(tmp_path):
    expected = write(tmp_path, 2, below="")
    pd.testing.assert_frame_equal(csiq.read(tmp_path), expected)
    assert expected["image"][0] == "awgn/1600.AWGN.1.png"


def test_the_workbook_of_older_copies_is_read(tmp_path):
    expected = write(tmp_path, 2, workbook="csiq.beta.xlsx")
    pd.testing.assert_frame_equal(csiq.read(tmp_path), expected)


class TestDefects:
    @pytest.mark.parametrize("column", ["image", "dst_type", "dst_lev", "dmos_std", "dmos"])
    def test_a_missing_column(self, tmp_path, column):
        header = ["other" if title == column else title for title in HEADER]
        text = refusal(tmp_path, ("elk", 1, "noise", 1, 0.1, 0.2), header=header)
        assert "has no row with image, dst_type, dst_lev, dmos_std, dmos in the sheet" in text
        assert "get the official file again" in text

    @pytest.mark.parametrize(("kind", "level"), [("rain", 1), (None, 1), ("blur", 1.5)])
    def test_a_row_that_names_no_image(self, tmp_path, kind, level):
        text = refusal(tmp_path, ("elk", 1, kind, level, 0.1, 0.2))
        assert "has a row of elk with the type" in text
        assert f"the level {level:g}; the types are awgn, jpeg" in text

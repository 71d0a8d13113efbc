"""KADID-10k: ``dmos`` that is better when higher, and ``var`` that is a standard deviation."""

import numpy as np
import pandas as pd
import pytest

from official.kadid_10k import HEADER, write
from tsniqa.data.cards import find_card
from tsniqa.data.readers import kadid_10k
from tsniqa.errors import DataError


def read(folder, *lines, header=HEADER):
    (folder / "dmos.csv").write_text("\n".join([header, *lines, ""]), encoding="utf-8")
    return kadid_10k.read(folder)


def refusal(folder, *lines, **options):
    with pytest.raises(DataError) as error:
        read(folder, *lines, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_everything_written_is_read(tmp_path):
    expected = write(tmp_path / "kadid10k")
    pd.testing.assert_frame_equal(kadid_10k.read(tmp_path / "kadid10k"), expected)
    assert len(expected) == 60
    assert list(expected["reference"].unique()) == ["I01", "I02", "I03", "I04", "I05", "I06"]


def test_pristine_images_are_there_and_not_rated(tmp_path):
    write(tmp_path)
    assert (tmp_path / "images" / "I01.png").is_file()
    assert "images/I01.png" not in set(kadid_10k.read(tmp_path)["image"])


def test_the_mildest_blur_has_the_higher_mos_than_the_worst(tmp_path):
    # As published: the column is called dmos, and higher is better.
    table = read(tmp_path, "I80_01_01.png,I80.png,4.63,0.482", "I80_01_05.png,I80.png,1.53,0.562")
    assert list(table["mos"]) == [4.63, 1.53]
    assert table["mos"][0] > table["mos"][1]
    assert list(table["image"]) == ["images/I80_01_01.png", "images/I80_01_05.png"]
    assert list(table["reference"]) == ["I80", "I80"]
    assert find_card("kadid-10k").mos_range == (1, 5)
    assert not find_card("kadid-10k").flipped


@pytest.mark.parametrize(("total", "mean", "var"), [(139, 4.63, 0.482), (36, 1.2, 0.4)])
def test_var_is_the_standard_deviation_of_thirty_whole_ratings(tmp_path, total, mean, var):
    low, above = divmod(total, 30)
    ratings = [low + 1] * above + [low] * (30 - above)
    assert round(float(np.mean(ratings)), 2) == mean
    assert round(float(np.std(ratings)), 3) == var
    assert round(float(np.var(ratings)), 3) != var
    assert list(read(tmp_path, f"I01_01_01.png,I01.png,{mean},{var}")["std"]) == [var]


def test_names_are_those_on_disk_whatever_their_case(tmp_path):
    write(tmp_path, 1)
    (tmp_path / "images").rename(tmp_path / "Images")
    (tmp_path / "Images" / "I01_01_01.png").rename(tmp_path / "Images" / "i01_01_01.PNG")
    assert list(kadid_10k.read(tmp_path)["image"][:2]) == [
        "Images/i01_01_01.PNG",
        "Images/I01_01_02.png",
    ]


def test_images_that_are_not_there_stay_in_the_table(tmp_path):
    expected = write(tmp_path, 1)
    (tmp_path / "images" / "I01_01_01.png").unlink()
    pd.testing.assert_frame_equal(kadid_10k.read(tmp_path), expected)


@pytest.mark.parametrize("score", ["", "good", "inf"])
def test_a_score_that_is_no_number_stays_empty(tmp_path, score):
    assert np.isnan(read(tmp_path, f"I01_01_01.png,I01.png,{score},0.5")["mos"][0])


class TestDefects:
    def test_a_missing_table(self, tmp_path):
        with pytest.raises(DataError, match=r"lacks dmos\.csv; unpack the dataset's archive"):
            kadid_10k.read(tmp_path)

    @pytest.mark.parametrize("column", ["dist_img", "ref_img", "dmos", "var"])
    def test_a_missing_column(self, tmp_path, column):
        header = HEADER.replace(column, "other")
        text = refusal(tmp_path, "I01_01_01.png,I01.png,4.57,0.496", header=header)
        assert f"dmos.csv lacks the column {column} (it has" in text

    @pytest.mark.parametrize("line", [",I01.png,4,0.5", "I01_01_02.png,,4,0.5"])
    def test_a_row_without_an_image(self, tmp_path, line):
        text = refusal(tmp_path, "I01_01_01.png,I01.png,4.57,0.496", line)
        assert "dmos.csv row 3 lacks an image; get the file again" in text

"""KADID-10k: ``dmos`` that is better when higher, and ``var`` that is a standard deviation."""

import numpy as np
import pytest

from official.kadid_10k import HEADER
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


class TestDefects:
    @pytest.mark.parametrize("line", [",I01.png,4,0.5", "I01_01_02.png,,4,0.5"])
    def test_a_row_without_an_image(self, tmp_path, line):
        text = refusal(tmp_path, "I01_01_01.png,I01.png,4.57,0.496", line)
        assert "dmos.csv row 3 lacks an image; get the official file again" in text

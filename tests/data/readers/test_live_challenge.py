"""LIVE Challenge: three variables in one order, without the images that observers trained with."""

import numpy as np
import pandas as pd
import pytest
from scipy.io import savemat

from official.live_challenge import write, write_names, write_numbers
from tsniqa.data.cards import find_card
from tsniqa.data.readers import live_challenge
from tsniqa.errors import DataError

TRAINING = [f"t{number}.bmp" for number in range(1, 8)]


def read(folder, names, mos, std=None):
    (folder / "Data").mkdir(parents=True, exist_ok=True)
    write_names(folder, TRAINING + names)
    write_numbers(folder, "AllMOS_release", [50.0] * 7 + mos)
    write_numbers(folder, "AllStdDev_release", [20.0] * 7 + (std or [20.0] * len(mos)))
    return live_challenge.read(folder)


def refusal(folder):
    with pytest.raises(DataError) as error:
        live_challenge.read(folder)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_the_seven_training_images_are_left_out(tmp_path):
    names = ["100.bmp", "3.bmp", "533.JPG"]
    table = read(tmp_path, names, [32.56, 44.45, 73.62], [19.12, 20.27, 20.4])
    assert list(table["image"]) == ["Images/100.bmp", "Images/3.bmp", "Images/533.JPG"]
    assert list(table["mos"]) == [32.56, 44.45, 73.62]
    assert list(table["std"]) == [19.12, 20.27, 20.4]
    assert list(table["reference"]) == list(table["image"])
    assert set(table["split"]) == {""}


def test_the_mildest_distortion_has_the_higher_mos_than_the_worst(tmp_path):
    table = read(tmp_path, ["780.JPG", "239.bmp"], [92.43, 3.5])  # as published
    assert list(table["mos"]) == [92.43, 3.5]
    assert table["mos"][0] > table["mos"][1]
    assert find_card("live-challenge").mos_range == (0, 100)
    assert not find_card("live-challenge").flipped


@pytest.mark.parametrize("shape", [(1, 10), (10, 1), (10,)])
def test_rows_and_columns_are_the_same(tmp_path, shape):
    names = ["1.bmp", "2.bmp", "3.bmp"]
    expected = read(tmp_path, names, [10.0, 20.0, 30.0])
    values = np.array([50.0] * 7 + [10.0, 20.0, 30.0]).reshape(shape)
    savemat(tmp_path / "Data" / "AllMOS_release.mat", {"AllMOS_release": values})
    cells = np.array([TRAINING + names], dtype=object)
    savemat(tmp_path / "Data" / "AllImages_release.mat", {"AllImages_release": cells})
    pd.testing.assert_frame_equal(live_challenge.read(tmp_path), expected)


class TestDefects:
    def test_lengths_that_disagree(self, tmp_path):
        write(tmp_path, 8)
        write_numbers(tmp_path, "AllMOS_release", np.zeros(14))
        assert "has 15 names, 14 scores and 15 deviations" in refusal(tmp_path)

    def test_a_list_without_the_training_images(self, tmp_path):
        write(tmp_path, 8)
        write_names(tmp_path, [f"{number}.bmp" for number in range(15)])
        text = refusal(tmp_path)
        assert "must begin with the seven training images t1 to t7" in text
        assert "(it begins with 0.bmp, 1.bmp, 2.bmp)" in text

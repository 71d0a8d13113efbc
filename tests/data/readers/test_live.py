"""LIVE: order of the folders, copies left out, realigned scores, and folders that do not fit."""

import numpy as np
import pandas as pd
import pytest
from scipy.io import loadmat, savemat

from official.live import write
from tsniqa.data.cards import find_card
from tsniqa.data.readers import live
from tsniqa.errors import DataError


def matlab(path, **changed):
    """Write a .mat file anew with some variables changed, or left out by None."""
    content = {key: value for key, value in loadmat(path).items() if not key.startswith("__")}
    content |= changed
    savemat(path, {key: value for key, value in content.items() if value is not None})


def test_the_variables_follow_the_folders_in_the_published_order(tmp_path):
    write(tmp_path, 5)
    scores, copies = np.zeros((1, 982)), np.ones((1, 982), dtype=np.uint8)
    # Last entry of jp2k, first of jpeg, last of jpeg, first of wn, of gblur, of fastfading.
    for score, place in enumerate([226, 227, 459, 460, 634, 808]):
        scores[0, place], copies[0, place] = score, 0
    matlab(tmp_path / "dmos_realigned.mat", dmos_new=scores, orgs=copies)
    table = live.read(tmp_path)
    assert dict(zip(table["image"], table["mos"], strict=True)) == {
        "jp2k/img227.bmp": 100,
        "jpeg/img1.bmp": 99,
        "jpeg/img233.bmp": 98,
        "wn/img1.bmp": 97,
        "gblur/img1.bmp": 96,
        "fastfading/img1.bmp": 95,
    }


def test_copies_of_pristine_images_are_left_out_although_they_are_there(tmp_path):
    write(tmp_path)
    assert (tmp_path / "wn" / "img1.bmp").is_file()
    images = list(live.read(tmp_path)["image"])
    assert "wn/img1.bmp" not in images
    assert images[:2] == ["jp2k/img2.bmp", "jp2k/img5.bmp"]


def test_the_mildest_blur_has_the_higher_mos_than_the_worst(tmp_path):
    write(tmp_path)
    scores = loadmat(tmp_path / "dmos_realigned.mat")["dmos_new"]
    first = 227 + 233 + 174  # of gblur
    scores[0, first + 1], scores[0, first + 4] = 5.93, 90.25  # as published: higher is worse
    matlab(tmp_path / "dmos_realigned.mat", dmos_new=scores)
    mos = live.read(tmp_path).set_index("image")["mos"]
    assert mos["gblur/img2.bmp"] == pytest.approx(94.07)
    assert mos["gblur/img5.bmp"] == pytest.approx(9.75)
    assert mos["gblur/img2.bmp"] > mos["gblur/img5.bmp"]
    assert find_card("live").mos_range == (0, 100)
    assert find_card("live").flipped


def test_realigned_scores_may_leave_the_scale_and_keep_their_order(tmp_path):
    write(tmp_path)
    scores = loadmat(tmp_path / "dmos_realigned.mat")["dmos_new"]
    scores[0, 1], scores[0, 4] = -2.5, 111.5
    matlab(tmp_path / "dmos_realigned.mat", dmos_new=scores)
    assert list(live.read(tmp_path)["mos"][:2]) == [102.5, -11.5]


def test_without_realigned_scores_the_others_are_taken_without_deviations(tmp_path):
    expected = write(tmp_path, realigned=False)
    table = live.read(tmp_path)
    pd.testing.assert_frame_equal(table, expected)
    assert table["std"].isna().all()
    assert table["mos"].between(16, 96).all()


def test_references_are_compared_without_case_and_spaces(tmp_path):
    expected = write(tmp_path, 5)
    names = loadmat(tmp_path / "refnames_all.mat")["refnames_all"]
    spaced = np.empty((1, 982), dtype=object)
    spaced[0, :] = [f" {name[0].upper()} " for name in names[0]]
    savemat(tmp_path / "refnames_all.mat", {"refnames_all": spaced})
    pd.testing.assert_frame_equal(live.read(tmp_path), expected)


@pytest.mark.parametrize("name", ["dmos_new", "dmos_std", "orgs"])
def test_a_variable_of_another_length_is_refused(tmp_path, name):
    write(tmp_path, 5)
    matlab(tmp_path / "dmos_realigned.mat", **{name: np.zeros((1, 460))})
    with pytest.raises(DataError) as error:
        live.read(tmp_path)
    text = str(error.value)
    assert "dmos_realigned.mat has a variable of 460 entries, and the release has 982" in text

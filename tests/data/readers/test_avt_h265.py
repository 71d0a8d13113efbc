"""AVT H.265 stills: means of a laboratory test, contents in image names."""

import numpy as np
import pandas as pd
import pytest

from official.avt_h265 import write
from tsniqa.data.readers import avt_h265
from tsniqa.errors import DataError

TWO = (
    "image_name,mos,ci,std\n"
    "Dancers.avi_1frame_crf_00_height_1728,4.190476190476191,0.5476766067083898,0.60158\n"
    "Dancers.avi_1frame_crf_38_height_0144,1.0,,0.0\n"
)


def small(root, text=TWO):
    """Write a repository without images."""
    (root / "test_1").mkdir(parents=True)
    (root / "test_1" / "mos_ci.csv").write_text(text)
    return root


class TestReading:
    def test_the_table_is_read_as_published(self, tmp_path):
        expected = write(tmp_path / "image_quality_test")
        table = avt_h265.read(tmp_path / "image_quality_test")
        pd.testing.assert_frame_equal(table, expected)
        assert len(table) == 40
        assert all((tmp_path / "image_quality_test" / image).is_file() for image in table["image"])

    def test_a_row_by_hand(self, tmp_path):
        table = avt_h265.read(small(tmp_path / "avt"))
        assert table.iloc[0].to_dict() == {
            "image": "test_1/images/Dancers.avi_1frame_crf_00_height_1728.png",
            "mos": 4.190476190476191,
            "std": 0.60158,
            "reference": "Dancers.avi_1frame",
            "split": "",
        }

    def test_higher_is_better_the_mildest_coding_is_above_the_worst(self, tmp_path):
        table = avt_h265.read(small(tmp_path / "avt")).set_index("image")["mos"]
        mildest = table["test_1/images/Dancers.avi_1frame_crf_00_height_1728.png"]
        worst = table["test_1/images/Dancers.avi_1frame_crf_38_height_0144.png"]
        assert (round(mildest, 2), worst) == (4.19, 1.0)

    def test_images_of_a_source_frame_share_their_reference(self, tmp_path):
        write(tmp_path / "avt", contents=6)
        counts = avt_h265.read(tmp_path / "avt")["reference"].value_counts()
        assert len(counts) == 6
        assert set(counts) == {5}

    def test_a_deviation_of_zero_is_one_though_no_interval_is_published(self, tmp_path):
        table = avt_h265.read(small(tmp_path / "avt"))
        assert table["std"][1] == 0.0

    def test_an_older_table_has_no_deviations(self, tmp_path):
        expected = write(tmp_path / "avt", std=False)
        table = avt_h265.read(tmp_path / "avt")
        assert table["std"].isna().all()
        assert list(table["mos"]) == list(expected["mos"])


class TestDefects:
    def test_an_image_that_is_not_there_stays_in_the_table(self, tmp_path):
        expected = write(tmp_path / "avt")
        (tmp_path / "avt" / expected["image"][3]).unlink()
        assert list(avt_h265.read(tmp_path / "avt")["image"]) == list(expected["image"])

    def test_names_are_found_on_disk_in_any_case(self, tmp_path):
        root = small(tmp_path / "avt")
        (root / "test_1" / "Images").mkdir()
        (root / "test_1" / "Images" / "dancers.avi_1frame_crf_00_height_1728.PNG").touch()
        table = avt_h265.read(root)
        assert table["image"][0] == "test_1/Images/dancers.avi_1frame_crf_00_height_1728.PNG"
        assert table["reference"][0] == "Dancers.avi_1frame"

    def test_a_rating_that_is_no_number_is_kept_for_the_check(self, tmp_path):
        table = avt_h265.read(small(tmp_path / "avt", TWO.replace("1.0,,", "n/a,,")))
        assert np.isnan(table["mos"][1])

    def test_a_missing_table(self, tmp_path):
        with pytest.raises(DataError) as error:
            avt_h265.read(tmp_path)
        assert str(error.value) == (
            f"{tmp_path} lacks test_1/mos_ci.csv; unpack the dataset's archive there as it comes"
        )

    def test_a_missing_column(self, tmp_path):
        root = small(tmp_path / "avt", TWO.replace("mos,", "rating,", 1))
        with pytest.raises(DataError, match=r"lacks the column mos \(it has image_name, rating"):
            avt_h265.read(root)

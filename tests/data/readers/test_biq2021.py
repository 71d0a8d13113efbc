"""BIQ2021: two shuffled tables, three subsets."""

import pandas as pd
import pytest

from official.biq2021 import write
from official.pictures import picture
from tsniqa.data.readers import biq2021
from tsniqa.errors import DataError

TRAIN = "Train (Images and MOS).csv"
TEST = "Test (Images and MOS).csv"


def small(root, train="ss02 (1).jpg,0.6189,,\n", test="ss02 (2).jpg,0.3374\n"):
    """Write a repository without images."""
    root.mkdir(exist_ok=True)
    (root / TRAIN).write_text("Image Name,MOS,,\n" + train)
    (root / TEST).write_text("Image Name,MOS\n" + test)
    return root


class TestSubsets:
    @pytest.mark.parametrize("subset", ["ss01", "ss02", "ss03"])
    def test_each_is_read_from_both_tables_in_their_order(self, tmp_path, subset):
        expected = write(tmp_path / "BIQ2021")
        expected = expected[expected["image"].str.startswith(f"Images/{subset} (")]
        table = biq2021.read(tmp_path / "BIQ2021", subset)
        pd.testing.assert_frame_equal(table, expected.reset_index(drop=True))
        assert len(table) == 30
        assert all((tmp_path / "BIQ2021" / image).is_file() for image in table["image"])

    def test_the_authors_two_parts_are_not_a_split(self, tmp_path):
        table = biq2021.read(small(tmp_path / "biq"), "ss02")
        assert list(table["split"]) == ["", ""]


class TestReference:
    def test_photographs_of_one_scene_share_the_first_one_by_name(self, tmp_path):
        rows = "ss01 (2).jpg,0.6,,\nss01 (10).jpg,0.4,,\nss01 (3).jpg,0.5,,\n"
        root = small(tmp_path / "biq", train=rows)
        (root / "Images").mkdir()
        for number, (content, level) in {2: (1, 0), 10: (1, 0.6), 3: (2, 0)}.items():
            picture(content, level).save(root / "Images" / f"ss01 ({number}).jpg")
        table = biq2021.read(root, "ss01").set_index("image")["reference"]
        assert (
            table["Images/ss01 (2).jpg"]
            == table["Images/ss01 (10).jpg"]
            == ("Images/ss01 (10).jpg")
        )
        assert table["Images/ss01 (3).jpg"] == "Images/ss01 (3).jpg"


class TestRatings:
    def test_higher_is_better_and_the_scale_stays(self, tmp_path):
        write(tmp_path / "BIQ2021", count=11)
        table = biq2021.read(tmp_path / "BIQ2021", "ss02").set_index("image")["mos"]
        mildest, worst = table["Images/ss02 (1).jpg"], table["Images/ss02 (11).jpg"]
        assert (mildest, worst) == (0.95, 0.05)

    def test_those_before_scaling_are_another_table_that_is_not_read(self, tmp_path):
        write(tmp_path / "BIQ2021", count=11)
        unscaled = (tmp_path / "BIQ2021" / "Train.csv").read_text()
        assert ",-0.0228\n" in unscaled + (tmp_path / "BIQ2021" / "Test.csv").read_text()
        table = biq2021.read(tmp_path / "BIQ2021", "ss01")
        assert table["mos"].between(0, 1).all()


class TestDefects:
    def test_a_subset_that_is_not_there(self, tmp_path):
        root = small(tmp_path / "biq")
        with pytest.raises(DataError, match=r"list no image whose name begins with ss03; get them"):
            biq2021.read(root, "ss03")

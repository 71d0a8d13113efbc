"""Meta-information tables: names of columns, splits, signs, and what is refused."""

import numpy as np
import pandas as pd
import pytest

from official.meta_info import write_with_references
from tsniqa.data.readers import meta_info
from tsniqa.errors import DataError

THREE = "img_name,mos{}\na.png,1{}\nb.png,2{}\nc.png,3{}\n"


def small(root, text, name="meta_info_MineDataset.csv"):
    """Write a table without images."""
    root.mkdir(exist_ok=True)
    (root / name).write_text(text, encoding="utf-8")
    return root


def refusal(root, text, **options):
    with pytest.raises(DataError) as error:
        meta_info.read(small(root, text, **options))
    message = str(error.value)
    assert "\n" not in message
    assert str(root) in message
    return message


class TestColumns:
    def test_a_table_with_references_and_names_in_another_case(self, tmp_path):
        expected = write_with_references(
            tmp_path / "tid", "meta_info_TID2013Dataset.csv", "mos", worst=1.5, best=6.5
        )
        table = meta_info.read(tmp_path / "tid")
        pd.testing.assert_frame_equal(table, expected)
        assert table["reference"].nunique() == 6
        assert all((tmp_path / "tid" / image).is_file() for image in table["image"])

    @pytest.mark.parametrize(
        "head",
        [
            "img_name,mos", "Image name,MOS", "img_path,score", "img_name/patch_name,mos",
            "dist_name,elo_score", "name,mos",
        ],
    )  # fmt: skip
    def test_the_names_that_circulate(self, tmp_path, head):
        table = meta_info.read(small(tmp_path / "mine", f"{head},Brightness\nx/1.jpg,48.86,3\n"))
        assert table["image"][0] == "x/1.jpg"
        assert table["mos"][0] == 48.86
        assert np.isnan(table["std"][0])
        assert table["reference"][0] == "x/1.jpg"

    def test_fields_may_be_separated_by_tabs(self, tmp_path):
        table = meta_info.read(small(tmp_path / "mine", "img_name\tmos\tstd\n1, 2.png\t32.5\t9\n"))
        assert table.iloc[0].to_list() == ["1, 2.png", 32.5, 9.0, "1, 2.png", ""]


class TestSign:
    @pytest.mark.parametrize(
        ("name", "column", "mildest", "worst", "top"),
        [
            ("meta_info_CSIQDataset.csv", "dmos", 0.062, 0.4675, 1),
            ("meta_info_LIVEIQADataset.csv", "mos", 20.25, 78.5, 100),
            ("meta_info_LIVEMDDataset.csv", "mos", 12.0, 85.0, 100),
        ],
    )
    def test_the_lower_is_better_tables_are_turned_round(
        self, tmp_path, name, column, mildest, worst, top
    ):
        write_with_references(tmp_path / "d", name, column, worst=worst, best=mildest)
        mos = meta_info.read(tmp_path / "d").set_index("image")["mos"]
        assert mos["Blur/i01_1.bmp"] == pytest.approx(top - mildest)
        assert mos["Blur/i01_5.bmp"] == pytest.approx(top - worst)
        assert mos["Blur/i01_1.bmp"] > mos["Blur/i01_5.bmp"]

    def test_kadids_dmos_is_higher_is_better(self, tmp_path):
        name = "meta_info_KADID10kDataset.csv"
        write_with_references(tmp_path / "kadid", name, "dmos", worst=1.1, best=4.57)
        mos = meta_info.read(tmp_path / "kadid").set_index("image")["mos"]
        assert (mos["Blur/i01_1.bmp"], mos["Blur/i01_5.bmp"]) == (4.57, 1.1)

    def test_dmos_in_an_unknown_table_is_refused(self, tmp_path):
        text = refusal(tmp_path / "mine", "img_name,dmos\na.png,1\n")
        assert text.endswith(
            "a column 'dmos' does not say which end is better; name it mos if more is better, else"
            " turn the ratings round first"
        )


class TestSplit:
    @pytest.mark.parametrize("values", [("train", "val", "test"), ("0", "1", "2")])
    @pytest.mark.parametrize("column", ["official_split", "split", "official split", "my_split"])
    def test_words_and_numbers(self, tmp_path, column, values):
        cells = [f",{text}" for text in (column, *values)]
        table = meta_info.read(small(tmp_path / "mine", THREE.format(*cells)))
        assert list(table["split"]) == ["train", "val", "test"]

    def test_the_official_one_is_used_where_there_are_several(self, tmp_path):
        cells = [",ILGnet_split,split,official_split", ",0,1,0", ",2,2,1", ",1,0,2"]
        table = meta_info.read(small(tmp_path / "mine", THREE.format(*cells)))
        assert list(table["split"]) == ["train", "val", "test"]

    def test_random_ones_of_the_toolbox_are_left_out(self, tmp_path):
        cells = [
            ",ratio712_seed123_split_01,ratio712_seed123_split_02",
            ",train,val", ",val,test", ",test,train",
        ]  # fmt: skip
        table = meta_info.read(small(tmp_path / "mine", THREE.format(*cells)))
        assert set(table["split"]) == {""}

    def test_one_without_validation_is_left_out(self, tmp_path):
        cells = [",official_split", ",0", ",0", ",2"]
        table = meta_info.read(small(tmp_path / "mine", THREE.format(*cells)))
        assert set(table["split"]) == {""}

    def test_several_of_which_none_is_the_official_one_are_refused(self, tmp_path):
        cells = [",DeviceSplit,SceneSplit", ",train,val", ",val,test", ",test,train"]
        text = refusal(tmp_path / "mine", THREE.format(*cells))
        assert "has the splits devicesplit, scenesplit, and none is called official_split" in text

    def test_an_unknown_part_is_refused(self, tmp_path):
        text = refusal(tmp_path / "mine", THREE.format(",split", ",train", ",dev", ",test"))
        assert "'dev' in the column split is no part of a split; use train, val, test or" in text


class TestDefects:
    def test_no_table(self, tmp_path):
        assert meta_info.tables(tmp_path) == meta_info.tables(tmp_path / "nowhere") == []
        with pytest.raises(DataError, match=r"has 0 tables meta_info\*\.csv; put the one there"):
            meta_info.read(tmp_path)

    def test_several_tables(self, tmp_path):
        root = small(tmp_path / "mine", "img_name,mos\n", "meta_info_A.csv")
        small(root, "img_name,mos\n", "META_INFO_B.CSV")
        with pytest.raises(DataError) as error:
            meta_info.read(root)
        assert "has 2 tables meta_info*.csv (META_INFO_B.CSV, meta_info_A.csv)" in str(error.value)

    def test_the_tables_own_name_is_found_in_any_case(self, tmp_path):
        root = small(tmp_path / "mine", "img_name,mos\na.png,1\n", "Meta_Info_Mine.CSV")
        small(root, "no table", "meta_info.txt")
        assert meta_info.tables(root) == [root / "Meta_Info_Mine.CSV"]
        assert len(meta_info.read(root)) == 1

    def test_two_columns_of_ratings(self, tmp_path):
        text = refusal(tmp_path / "mine", "img_name,mos,dmos\na.png,1,2\n")
        assert "has the columns mos and dmos for the same; keep one" in text

    @pytest.mark.parametrize("name", ["../a.png", "/etc/a.png", "C:\\a.png", "x/../../a.png", ".."])
    def test_an_image_outside_the_folder(self, tmp_path, name):
        text = refusal(tmp_path / "mine", f"img_name,mos\n{name},1\n")
        assert f"the image '{name}' is no path inside {tmp_path / 'mine'}; correct it" in text

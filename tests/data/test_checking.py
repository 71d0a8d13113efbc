"""The check of a dataset: it names everything that is wrong, and nothing else."""

import pandas as pd
import pytest

from official import live_challenge
from tsniqa.data.catalogue import locate
from tsniqa.data.checking import check, find
from tsniqa.errors import ConfigError, DataError


@pytest.fixture
def mine(tmp_path, dataset):
    return dataset(tmp_path / "mine", simulated=False)


def report(folder):
    (source,) = find(folder.name, folder.parent)
    return check(source)


def edit(folder, change):
    table = pd.read_csv(folder / "labels.csv")
    change(table).to_csv(folder / "labels.csv", index=False)


class TestGenericLayout:
    def test_finds_nothing_wrong_with_a_whole_dataset(self, mine):
        found = report(mine)
        assert found.wrong == found.notes == []
        assert found.images == (32, 32)
        assert found.lines() == [
            f"mine (generic layout, {mine}): 32 rated images, 32 in order; nothing is wrong"
        ]

    def test_names_exactly_the_missing_the_truncated_and_the_unlabelled_image(self, mine):
        (mine / "images" / "003.png").unlink()
        broken = mine / "images" / "007.png"
        broken.write_bytes(broken.read_bytes()[:200])
        edit(mine, lambda table: table.assign(mos=table["mos"].where(table.index != 11)))
        found = report(mine)
        assert found.images == (32, 30)
        assert len(found.wrong) == 3
        assert "labels.csv row 13 (images/011.png): mos is ''" in found.wrong[0]
        assert found.wrong[1].startswith(f"image {mine / 'images' / '003.png'} is missing; restore")
        assert "007.png is damaged" in found.wrong[2]
        assert found.lines()[0].endswith("32 rated images, 30 in order; 3 wrong")
        assert [line.split(" (")[0] for line in found.lines()[1:]] == [
            "  wrong: labels.csv row 13",
            "  wrong: image images/003.png is missing; restore the file, or leave it out",
            "  wrong: image images/007.png is damaged",
        ]

    def test_names_every_row_with_a_defect(self, mine):
        def spoil(table):
            table["std"] = table["std"].astype(object)
            table.loc[2, "std"] = "wide"
            table.loc[3, "image"] = "../outside.png"
            table.loc[4, "image"] = table.loc[5, "image"]
            table.loc[6, "split"] = "exam"
            return table

        edit(mine, spoil)
        text = "\n".join(report(mine).wrong)
        assert "row 4 (images/002.png): std is 'wide'" in text
        assert "row 5: '../outside.png' leaves" in text
        assert "row 7: 'images/005.png' is already in row 6" in text
        assert "image 'images/006.png' has split 'exam'; use train, val, test" in text
        assert len(report(mine).wrong) == 4

    def test_names_images_that_are_the_same_in_different_parts(self, mine):
        images = mine / "images"
        (images / "000.png").write_bytes((images / "031.png").read_bytes())
        (images / "001.png").write_bytes((images / "002.png").read_bytes())
        found = report(mine)
        assert found.wrong == [
            "images/000.png, images/031.png are the same image, in more than one part"
        ]
        assert found.notes == ["images/001.png, images/002.png are the same image"]

    def test_names_a_reference_that_crosses_parts(self, mine):
        edit(mine, lambda table: table.assign(reference=["a"] + ["b"] * 15 + ["c"] * 15 + ["a"]))
        assert "the images of reference 'a' are in more than one part" in report(mine).wrong

    def test_notes_what_is_not_rated_and_that_there_is_no_split(self, mine):
        for number in range(5):
            (mine / f"extra{number}.JPG").write_bytes(b"")
        (mine / "notes.txt").write_text("not an image")
        edit(mine, lambda table: table.drop(columns="split"))
        found = report(mine)
        assert found.wrong == []
        assert found.notes == [
            "no split is given, so split 0 is used (70/10/20 by reference)",
            "5 image files are not rated: extra0.JPG, extra1.JPG, extra2.JPG, ...",
        ]

    def test_a_part_of_a_published_dataset_is_no_defect(self, tmp_path, dataset):
        dataset(tmp_path / "live-challenge", simulated=False)
        found = report(tmp_path / "live-challenge")
        assert found.wrong == []
        assert "32 rated images, 1162 were published: a part of the dataset" in found.notes

    def test_a_table_that_cannot_be_read_is_wrong(self, mine):
        (mine / "labels.csv").write_text("name,score\na,1\n")
        found = report(mine)
        assert "lacks the column image and mos" in found.wrong[0]
        assert found.images == (0, 0)


class TestOfficialLayout:
    @pytest.fixture
    def official(self, tmp_path):
        folder = tmp_path / "ChallengeDB_release"
        live_challenge.write(folder)
        return folder

    def test_compares_the_number_of_images_with_the_published_one(self, official):
        found = check(locate("live-challenge", official.parent))
        assert found.source.layout == "official"
        assert len(found.wrong) == 1
        assert "1162 were published; get the dataset again" in found.wrong[0]


class TestFinding:
    def test_without_a_name_every_dataset_of_the_folder_is_found(self, tmp_path, dataset):
        for name in ("zoo", "archive", "csiq"):
            dataset(tmp_path / name)
        assert [source.name for source in find(None, tmp_path)] == ["csiq", "archive", "zoo"]

    def test_the_datasets_own_folder_will_do(self, mine):
        assert [source.folder for source in find(None, mine)] == [mine]
        assert [source.folder for source in find("mine", mine)] == [mine]

    def test_an_empty_folder_holds_none(self, tmp_path):
        with pytest.raises(DataError, match=r"there is no dataset under .*; see tsniqa data list"):
            find(None, tmp_path)

    def test_an_unknown_name_lists_what_is_there(self, mine):
        with pytest.raises(ConfigError, match=r"unknown task 'mien'; did you mean 'mine'\?"):
            find("mien", mine.parent)
        with pytest.raises(ConfigError, match="'mini-live' is drawn by a program"):
            find("mini-live", mine.parent)

    def test_a_catalogued_dataset_that_is_not_there_says_how_to_get_it(self, tmp_path):
        with pytest.raises(DataError) as error:
            find("kadid-10k", tmp_path)
        assert f"dataset 'kadid-10k' is not under {tmp_path}" in str(error.value)
        assert "dmos.csv" in str(error.value)

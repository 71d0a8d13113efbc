"""The generic layout, its defects and their messages; loading tasks by name."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import tsniqa.synthetic
from tsniqa.data import load_task, task_names
from tsniqa.data.readers import labels_csv
from tsniqa.errors import ConfigError, DataError
from tsniqa.paths import CACHE_VARIABLE, cache_folder

TWELVE = "image,mos\n" + "".join(f"{i:02d}.png,{i}\n" for i in range(12))


def folder(root, text, name="mine", **files):
    made = Path(root) / name
    made.mkdir(parents=True)
    (made / "labels.csv").write_text(text, encoding="utf-8")
    for stem, content in files.items():
        (made / {"readme": "README.md", "yml": "dataset.yml"}[stem]).write_text(content)
    return made


def read(root, text, **files):
    return labels_csv.read("mine", folder(root, text, **files))


def refusal(root, text, **files):
    with pytest.raises(DataError) as error:
        read(root, text, **files)
    message = str(error.value)
    assert "\n" not in message
    assert str(Path(root) / "mine") in message
    return message


class TestTable:
    def test_all_columns_are_taken_and_rows_sorted_by_image(self, tmp_path):
        task = read(
            tmp_path,
            "mos,image,std,split,reference,camera\n"
            "2.5,images/b.png,,test,scene1,x\n"
            "4,images/a.png,0.5,train,,y\n",
        )
        assert list(task.table.columns) == ["image", "mos", "std", "split", "reference"]
        first, second = task.table.itertuples(index=False)
        assert first == ("images/a.png", 4.0, 0.5, "train", "images/a.png")
        assert second[:2] == ("images/b.png", 2.5)
        assert np.isnan(second.std)
        assert second[3:] == ("test", "scene1")
        assert task.mos_range == (2.5, 4.0)
        assert not task.simulated

    def test_a_misspelt_column_is_refused_and_others_are_left_alone(self, tmp_path):
        rows = TWELVE.replace("mos\n", "mos,refernce\n", 1)
        assert "is the column 'refernce' meant to be reference?" in refusal(tmp_path, rows)
        rows = TWELVE.replace("mos\n", "mos,scene,level\n", 1)
        assert len(read(tmp_path / "other", rows).table) == 12

    def test_without_a_split_the_images_are_split_the_same_way_in_any_row_order(self, tmp_path):
        folder(tmp_path / "a", TWELVE)
        task = load_task("mine", tmp_path / "a", 0)
        assert task.table["split"].value_counts().to_dict() == {"train": 9, "test": 2, "val": 1}
        head, *rows = TWELVE.splitlines()
        folder(tmp_path / "b", "\n".join([head, *rows[::-1]]))
        again = load_task("mine", tmp_path / "b", 0)
        assert task.table.equals(again.table)
        assert list(task.table["reference"]) == list(task.table["image"])
        assert task.table["std"].isna().all()

    def test_spreadsheet_exports_are_read(self, tmp_path):
        text = "\ufeffimage , mos,split\r\n a.png , 1.5 ,train\r\n\r\nb.png,2,val\r\n,,\r\n"
        task = read(tmp_path, text)
        assert list(task.table["image"]) == ["a.png", "b.png"]
        assert list(task.table["mos"]) == [1.5, 2.0]
        assert list(task.table["split"]) == ["train", "val"]

    def test_an_image_may_be_called_like_a_missing_value(self, tmp_path):
        task = read(tmp_path, "image,mos,split,reference\nNA,1,train,null\nnan,2,val,\n")
        assert list(task.table["image"]) == ["NA", "nan"]
        assert list(task.table["reference"]) == ["null", "nan"]

    def test_paths_are_normalised_within_the_folder(self, tmp_path):
        task = read(tmp_path, "image,mos,split\n./x/../a.png,1,train\nb//c.png,2,val\n")
        assert list(task.table["image"]) == ["a.png", "b/c.png"]


class TestDefects:
    def test_no_table(self, tmp_path):
        with pytest.raises(DataError, match=r"labels\.csv is missing; a dataset folder needs it"):
            labels_csv.read("mine", tmp_path)

    def test_a_missing_column(self, tmp_path):
        text = refusal(tmp_path, "name,score\na.png,1\n")
        assert "lacks the column image and mos (it has name, score)" in text

    @pytest.mark.parametrize("text", ["image,mos\n", "image,mos\n\n,\n"])
    def test_no_row(self, tmp_path, text):
        assert "lists no image" in refusal(tmp_path, text)

    def test_an_empty_file(self, tmp_path):
        assert "lacks the column image and mos (it has none)" in refusal(tmp_path, "")

    def test_another_encoding(self, tmp_path):
        made = folder(tmp_path, "")
        (made / "labels.csv").write_bytes("image,mos\nhäß.png,1\n".encode("latin-1"))
        with pytest.raises(DataError, match="save it as UTF-8 CSV"):
            labels_csv.read("mine", made)

    @pytest.mark.parametrize("value", ["", "nan", "good", "inf", "1,5"])
    def test_a_label_that_is_no_finite_number(self, tmp_path, value):
        text = refusal(tmp_path, f'image,mos\na.png,1\n\nb.png,"{value}"\n')
        assert f"labels.csv row 4 (b.png): mos is '{value}', it must be a finite number" in text

    @pytest.mark.parametrize("value", ["wide", "-0.5", "inf"])
    def test_a_deviation_that_is_no_number_from_zero(self, tmp_path, value):
        text = refusal(tmp_path, f"image,mos,std\na.png,1,{value}\n")
        assert f"row 2 (a.png): std is '{value}', it must be empty or a number from 0" in text

    @pytest.mark.parametrize(
        "path",
        ["../a.png", "x/../../a.png", "..", "..\\a.png", "/etc/a.png", "C:\\a.png"],
    )
    def test_a_path_that_leaves_the_folder(self, tmp_path, path):
        assert f"row 2: '{path}' leaves" in refusal(tmp_path, f"image,mos\n{path},1\n")

    def test_an_image_listed_twice_under_two_spellings(self, tmp_path):
        text = refusal(tmp_path, "image,mos\na.png,1\nb.png,2\n./a.png,3\n")
        assert "row 4: 'a.png' is already in row 2; keep one of them" in text


class TestDescription:
    def test_is_taken_from_the_yaml_file(self, tmp_path):
        described = "citation: Us (2024)\nlicence: CC0\ndescription: >\n  two\n  lines\n"
        described += "mos_range: [0, 20]\n"
        task = read(tmp_path, TWELVE, yml=described, readme="Read me\n")
        assert (task.citation, task.licence, task.description) == ("Us (2024)", "CC0", "two lines")
        assert task.mos_range == (0.0, 20.0)

    def test_falls_back_on_the_readme(self, tmp_path):
        task = read(tmp_path, TWELVE, readme="# Our ratings (2024)\n\nFree for all.\n")
        assert task.citation == "Our ratings (2024)"
        assert task.description == "Our ratings (2024) Free for all."
        assert task.licence == "see the dataset's README.md"

    def test_may_be_missing(self, tmp_path):
        task = read(tmp_path, TWELVE)
        assert (task.citation, task.licence, task.description) == ("", "not stated", "")

    def test_marks_simulated_labels_and_their_recipe(self, tmp_path):
        made = "simulated: true\nrecipe_version: 1\nseed: 7\npixels: 1f\n"
        task = read(tmp_path, TWELVE, yml=made)
        assert task.simulated
        assert task.recipe == "recipe_version 1, seed 7, pixels 1f"

    @pytest.mark.parametrize(
        "value", ["[1]", "[5, 1]", "[3, 3]", "five", "[1, .inf]", "[a, b]", "3"]
    )
    def test_a_broken_range_is_refused(self, tmp_path, value):
        text = refusal(tmp_path, TWELVE, yml=f"mos_range: {value}\n")
        assert "give its two ends, such as [1, 5]" in text

    def test_ratings_beyond_the_range_are_refused(self, tmp_path):
        text = refusal(tmp_path, TWELVE, yml="mos_range: [1, 9]\n")
        assert "mos_range is 1 to 9, but 3 of the ratings are outside, such as 0 of 00.png" in text

    def test_a_misspelt_key_is_refused(self, tmp_path):
        text = refusal(tmp_path, TWELVE, yml="mos_rnage: [0, 20]\n")
        assert "unknown key 'mos_rnage'; did you mean 'mos_range'?" in text

    @pytest.mark.parametrize("content", ["- a\n- b\n", "just text\n"])
    def test_a_file_without_keys_is_refused(self, tmp_path, content):
        assert "dataset.yml must hold 'key: value' lines" in refusal(tmp_path, TWELVE, yml=content)

    def test_broken_yaml_is_refused(self, tmp_path):
        assert "dataset.yml is not valid YAML" in refusal(tmp_path, TWELVE, yml="a: [1\nb: {")


@pytest.fixture
def benchmark(monkeypatch, tmp_path):
    """Stand in for the mini benchmark, which has its own tests; records what it was asked for."""
    asked = []

    def make_task(name, seed, cache_dir):
        asked.append((name, seed, cache_dir))
        yml = f"simulated: true\nrecipe_version: 1\nseed: {seed}\npixels: {seed}f\n"
        return folder(tmp_path / f"made{len(asked)}", TWELVE, name=name, yml=yml)

    fake = SimpleNamespace(MINI_TASKS=("mini-live", "mini-bid"), make_task=make_task, asked=asked)
    monkeypatch.setitem(sys.modules, "tsniqa.synthetic.benchmark", fake)
    monkeypatch.setattr(tsniqa.synthetic, "benchmark", fake, raising=False)
    return fake


class TestByName:
    def test_mini_tasks_are_made_from_the_seed_in_the_cache(self, benchmark, monkeypatch, tmp_path):
        monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
        task = load_task("mini-bid", tmp_path / "no-such-root", seed=3)
        assert task.name == "mini-bid"
        assert task.simulated
        assert benchmark.asked == [("mini-bid", 3, tmp_path / "cache" / "mini")]
        other = load_task("mini-bid", tmp_path, seed=4)
        assert other.fingerprint() != task.fingerprint()

    def test_the_cache_lies_in_an_ignored_folder_by_default(self, monkeypatch):
        monkeypatch.delenv(CACHE_VARIABLE, raising=False)
        assert cache_folder("mini").parts[-2:] == (".runs", "mini")

    def test_a_folder_with_labels_is_a_task(self, benchmark, tmp_path):
        made = folder(tmp_path, TWELVE)
        task = load_task("mine", tmp_path, seed=0)
        assert (task.name, task.root) == ("mine", made)
        assert benchmark.asked == []

    def test_a_split_number_splits_anew(self, benchmark, tmp_path):
        text = "image,mos,split\n" + "".join(f"{i:02d}.png,{i},train\n" for i in range(20))
        folder(tmp_path, text)
        assert set(load_task("mine", tmp_path, 0).table["split"]) == {"train"}
        counts = load_task("mine", tmp_path, 0, split="2").table["split"].value_counts()
        assert counts.to_dict() == {"train": 14, "test": 4, "val": 2}

    def test_an_unknown_name_lists_every_valid_one(self, benchmark, tmp_path):
        folder(tmp_path, TWELVE, name="ours")
        (tmp_path / "without-labels").mkdir()
        with pytest.raises(ConfigError) as error:
            load_task("mini-lvie", tmp_path, 0)
        assert str(error.value) == (
            "unknown task 'mini-lvie'; did you mean 'mini-live'?"
            " valid tasks: mini-bid, mini-live, ours"
        )

    @pytest.mark.parametrize("name", ["../secret", "/etc", "a/b", "a\\b", "..", ".", "", " "])
    def test_a_name_that_is_a_path_is_refused(self, benchmark, tmp_path, name):
        with pytest.raises(ConfigError, match="must be the plain name of a folder"):
            load_task(name, tmp_path, 0)

    def test_names_are_the_mini_tasks_then_the_folders_found(self, benchmark, tmp_path):
        for name in ("zoo", "archive", "mini-live"):
            folder(tmp_path, TWELVE, name=name)
        assert task_names(tmp_path) == ["mini-live", "mini-bid", "archive", "zoo"]
        assert task_names(tmp_path / "nowhere") == ["mini-live", "mini-bid"]

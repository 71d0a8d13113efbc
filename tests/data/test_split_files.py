"""Importing published split files: their format, whom a row means, and every refusal."""

import logging

import numpy as np
import pandas as pd
import pytest

from tsniqa.data import split_files
from tsniqa.data.split_files import import_split
from tsniqa.data.task import Task
from tsniqa.errors import DataError

PART_OF = ["train"] * 4 + ["val"] * 2 + ["test"] * 3
MOS = [34.26, 55.0, 13.8, 80.5, 68.07, 31.9, 84.8, 60.7, 100.4]
LIVE = [f"{folder}/img{i}.bmp" for folder in ("jp2k", "gblur", "wn") for i in (1, 2, 30)]
FILES = {"train": "live_train_score.txt", "val": "live_val.txt", "test": "live_test.txt"}


def make_task(images=LIVE, name="live", mos=MOS, reference=None, root="/data/live"):
    table = pd.DataFrame(
        {
            "image": images,
            "mos": np.array(mos, float),
            "std": 1.0,
            "split": "train",
            "reference": images if reference is None else reference,
        }
    )
    return Task(name=name, root=root, table=table, citation="Us (2024)")


def row(image, mos, std=1.581242):
    """A row as MATLAB's fprintf writes it: tabs, six decimals, a bare carriage return."""
    return f"{image}\t{mos:f}\t{std:f}\r"


def write(folder, images=LIVE, mos=MOS, parts=PART_OF, files=FILES):
    """Write the three files in the authors' format and return their folder."""
    place = folder / "IQA_Database/databaserelease2/splits2/1"
    place.mkdir(parents=True, exist_ok=True)
    for part, file in files.items():
        rows = zip(images, mos, parts, strict=True)
        text = "".join(row(image, score) for image, score, own in rows if own == part)
        (place / file).write_bytes(text.encode())
    return place


def named(stem):
    return {part: f"{stem}{split_files.ENDINGS[part][0]}" for part in FILES}


def refusal(task, folder):
    with pytest.raises(DataError) as error:
        import_split(task, folder)
    message = str(error.value)
    assert "\n" not in message
    return message


class TestFormat:
    def test_the_authors_split_replaces_the_tasks(self, tmp_path):
        write(tmp_path)
        task = make_task()
        imported = import_split(task, tmp_path)
        assert list(imported.table["split"]) == PART_OF
        assert list(imported.table["image"]) == LIVE
        assert imported.table.drop(columns="split").equals(task.table.drop(columns="split"))
        assert imported.citation == "Us (2024)"
        assert set(task.table["split"]) == {"train"}

    def test_the_labels_stay_the_tasks_on_another_scale_that_ranks_alike(self, tmp_path):
        write(tmp_path, mos=[score + 11.7 for score in MOS])
        assert list(import_split(make_task(), tmp_path).table["mos"]) == MOS

    @pytest.mark.parametrize("end", ["\r", "\n", "\r\n", "\r\r\n\n"])
    def test_lines_may_end_in_any_way(self, tmp_path, end):
        for path in write(tmp_path).iterdir():
            path.write_bytes(path.read_bytes().replace(b"\r", end.encode()))
        assert list(import_split(make_task(), tmp_path).table["split"]) == PART_OF

    @pytest.mark.parametrize(
        ("old", "new"),
        [("\t1.581242", ""), ("\t", " \t "), ("\r", "\t\r"), ("\t1.581242", "\tblur\tplant")],
    )
    def test_only_the_first_two_columns_are_needed_and_spaces_do_no_harm(self, tmp_path, old, new):
        for path in write(tmp_path).iterdir():
            path.write_bytes(path.read_bytes().replace(old.encode(), new.encode()))
        assert list(import_split(make_task(), tmp_path).table["split"]) == PART_OF

    @pytest.mark.parametrize(
        ("name", "stem"),
        [
            ("live", "live"),
            ("csiq", "csiq"),
            ("bid", "bid"),
            ("live-challenge", "clive"),
            ("live-challenge", "live-challenge"),
            ("koniq-10k", "koniq10k"),
            ("kadid-10k", "kadid10k"),
            ("my-ratings", "my-ratings"),
            ("My-Ratings", "my-ratings"),
        ],
    )
    def test_the_files_of_a_task_are_known_by_its_name_or_the_authors_one(
        self, tmp_path, name, stem
    ):
        write(tmp_path, files=named(stem))
        task = make_task(name=name)
        assert list(import_split(task, tmp_path).table["split"]) == PART_OF

    def test_every_task_finds_its_own_files_in_one_tree(self, tmp_path):
        write(tmp_path, parts=PART_OF[::-1], files=named("clive"))
        write(tmp_path)
        assert list(import_split(make_task(), tmp_path).table["split"]) == PART_OF
        task = make_task(name="live-challenge")
        assert list(import_split(task, tmp_path).table["split"]) == PART_OF[::-1]

    def test_a_list_may_have_the_plain_name(self, tmp_path):
        write(tmp_path, files=FILES | {"train": "live_train.txt"})
        assert list(import_split(make_task(), tmp_path).table["split"]) == PART_OF


class TestImages:
    @pytest.mark.parametrize(
        ("ours", "theirs"),
        [
            ("databaserelease2/{}", "{}"),
            ("{}", "databaserelease2/{}"),
            ("{}", "./{}"),
            ("{}", "/home/me/LIVE/{}"),
            ("my folder/{}", "My Folder\\{}"),
        ],
    )
    def test_either_path_may_have_more_folders_in_front(self, tmp_path, ours, theirs):
        write(tmp_path, images=[theirs.format(image) for image in LIVE])
        task = make_task([ours.format(image) for image in LIVE])
        assert list(import_split(task, tmp_path).table["split"]) == PART_OF

    def test_where_folders_differ_a_name_that_is_unique_is_enough(self, tmp_path):
        write(tmp_path, [f"1024x768/{i}.jpg" for i in range(9)], files=named("koniq10k"))
        task = make_task([f"512x384/{i}.jpg" for i in range(9)], name="koniq-10k")
        assert list(import_split(task, tmp_path).table["split"]) == PART_OF

    def test_where_folders_differ_a_name_that_occurs_twice_is_not(self, tmp_path):
        other = [image.replace("wn/", "noise/") for image in LIVE]
        place = write(tmp_path, other)
        assert refusal(make_task(), tmp_path) == (
            f"{place / 'live_test.txt'} row 1: task 'live' has no image 'noise/img1.bmp';"
            " check that the split files belong to /data/live"
        )

    def test_an_ambiguous_image(self, tmp_path):
        place = write(tmp_path, ["img1.bmp", *LIVE[1:]])
        assert refusal(make_task(), tmp_path) == (
            f"{place / 'live_train_score.txt'} row 1: 'img1.bmp' may be 'jp2k/img1.bmp' or"
            " 'gblur/img1.bmp' of task 'live'; write more of its path"
        )

    def test_an_image_in_two_parts(self, tmp_path):
        place = write(tmp_path, [*LIVE[:8], "./JP2K/img2.bmp"])
        assert refusal(make_task(), tmp_path) == (
            f"{place / 'live_test.txt'} row 3: './JP2K/img2.bmp' is already in"
            f" {place / 'live_train_score.txt'} row 2; an image belongs to one part, so get the"
            " files again"
        )

    def test_images_that_no_file_lists_are_left_out_and_counted(self, tmp_path, caplog):
        write(tmp_path)
        task = make_task([*LIVE[:2], "extra.png", *LIVE[2:]], mos=[*MOS[:2], 1.0, *MOS[2:]])
        with caplog.at_level(logging.WARNING, "tsniqa"):
            imported = import_split(task, tmp_path)
        assert list(imported.table["image"]) == LIVE
        assert list(imported.table["split"]) == PART_OF
        assert list(imported.table.index) == list(range(9))
        assert caplog.messages == [
            "task 'live': 1 of 10 rated images are in none of the split files and are left out"
        ]

    def test_parts_may_not_share_a_reference(self, tmp_path):
        write(tmp_path)
        reference = ["bikes"] * 3 + ["house"] * 2 + ["lake"] + ["sail"] * 3
        assert refusal(make_task(reference=reference), tmp_path) == (
            "task 'live': the split puts reference 'house' into train ('gblur/img1.bmp') and val"
            " ('gblur/img2.bmp'), so that parts share content; correct the split files or the"
            " reference column"
        )


class TestLabels:
    def test_a_flipped_sign(self, tmp_path):
        place = write(tmp_path, mos=[100 - score for score in MOS])
        assert refusal(make_task(), place) == (
            f"task 'live': the labels of the split files in {place} have the opposite sign (rank"
            " correlation -1.000 with the task's); one of the two is lower for the better image"
            " and must be turned round"
        )

    def test_labels_of_something_else(self, tmp_path):
        place = write(tmp_path, mos=[MOS[i] for i in (3, 7, 0, 5, 1, 8, 2, 6, 4)])
        message = refusal(make_task(), place)
        assert (
            f"files in {place} must rank the images as the task does, by more than 0.9" in message
        )
        assert message.endswith("; check that they belong to this dataset")

    def test_a_missing_rating_of_the_task_is_left_to_its_check(self, tmp_path):
        write(tmp_path)
        imported = import_split(make_task(mos=[np.nan, *MOS[1:]]), tmp_path)
        assert np.isnan(imported.table["mos"][0])

    @pytest.mark.parametrize("value", ["", "good", "nan", "inf", "3,5"])
    def test_a_label_that_is_no_finite_number(self, tmp_path, value):
        path = write(tmp_path) / "live_val.txt"
        path.write_text(path.read_text().replace("31.900000", value))
        assert refusal(make_task(), tmp_path) == (
            f"{path} row 2 (gblur/img30.bmp): the MOS is '{value}', it must be a finite number"
        )


class TestFiles:
    def test_none_there(self, tmp_path):
        assert refusal(make_task(name="koniq-10k"), tmp_path) == (
            f"task 'koniq-10k': no folder in {tmp_path} holds its three split files,"
            " koniq10k_train_score.txt/koniq10k_train.txt, koniq10k_val.txt, koniq10k_test.txt or"
            " koniq-10k_train_score.txt/koniq-10k_train.txt, koniq-10k_val.txt,"
            " koniq-10k_test.txt; put them there or leave out the import"
        )

    def test_several_splits(self, tmp_path):
        place = write(tmp_path)
        place.rename(place.with_name("2"))
        other = write(tmp_path)
        assert refusal(make_task(), tmp_path) == (
            f"task 'live': {tmp_path} has 2 sets of its split files, such as in {other} and"
            f" {other.with_name('2')}; name the folder that holds the one to use"
        )
        import_split(make_task(), other)

    def test_pairs_without_the_list_of_images(self, tmp_path):
        place = write(tmp_path)
        (place / "live_train_score.txt").unlink()
        (place / "live_train.txt").write_text(
            "jp2k/img1.bmp\tgblur/img9.bmp\t0.000000\t3.607598\t2.392370\t0\r"
        )
        assert refusal(make_task(), tmp_path) == (
            f"{place / 'live_train.txt'} lists pairs of images, not images; put"
            " live_train_score.txt beside it"
        )

    @pytest.mark.parametrize("content", ["", "\r\r", " \r\n"])
    def test_an_empty_file(self, tmp_path, content):
        path = write(tmp_path) / "live_val.txt"
        path.write_text(content)
        assert refusal(make_task(), tmp_path) == f"{path} lists no image; get the file again"

    @pytest.mark.parametrize("line", ["jp2k/img1.bmp 34.26 1.5", "\t34.26", "jp2k/img1.bmp"])
    def test_a_row_without_tabs_or_image(self, tmp_path, line):
        path = write(tmp_path) / "live_val.txt"
        path.write_bytes(b"gblur/img2.bmp\t68.07\r\r" + line.encode())
        message = refusal(make_task(), tmp_path)
        assert message.startswith(
            f"{path} row 3: '{line.strip()}' is not an image path and its MOS"
        )

    def test_another_encoding(self, tmp_path):
        path = write(tmp_path) / "live_val.txt"
        path.write_bytes("häß.bmp\t1\r".encode("latin-1"))
        message = refusal(make_task(), tmp_path)
        assert message.startswith(f"{path} cannot be read (")
        assert message.endswith("get the file again")

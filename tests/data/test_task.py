"""Tasks: parts, fingerprints, checks with their messages, and re-splits."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsniqa.data.splits import resplit, with_training_images
from tsniqa.data.task import PARTS, Task, check_task
from tsniqa.errors import ConfigError, DataError

SPLIT = ["train"] * 7 + ["val"] * 3 + ["test"] * 4


def make_task(root="/nowhere", split=SPLIT, references=None, name="rated", **attributes):
    count = len(split)
    names = [f"images/{i:03d}.png" for i in range(count)]
    table = pd.DataFrame(
        {
            "image": names,
            "mos": np.linspace(1, 5, count),
            "std": np.full(count, 0.5),
            "split": split,
            "reference": names if references is None else references,
        }
    )
    return Task(name=name, root=root, table=table, **attributes)


@pytest.fixture
def task(tmp_path):
    """A sound task; its image files hold arbitrary bytes, since nothing here decodes them."""
    (tmp_path / "images").mkdir()
    made = make_task(tmp_path)
    for image in made.table["image"]:
        (tmp_path / image).write_bytes(image.encode())
    return made


def changed(task, column, row, value):
    table = task.table.copy()
    table.loc[row, column] = value
    return dataclasses.replace(task, table=table)


def message(task):
    with pytest.raises(DataError) as error:
        check_task(task)
    text = str(error.value)
    assert "\n" not in text
    return text


def split_of(task):
    return dict(zip(task.table["image"], task.table["split"], strict=True))


class TestTask:
    def test_parts_keep_the_order_of_rows_and_count_from_zero(self, task, tmp_path):
        part = task.part("val")
        assert list(part.index) == [0, 1, 2]
        assert list(part["image"]) == ["images/007.png", "images/008.png", "images/009.png"]
        assert task.paths("val") == [tmp_path / image for image in part["image"]]
        np.testing.assert_array_equal(task.mos("val"), task.table["mos"][7:10])
        assert task.mos("val").dtype == np.float64

    def test_an_unknown_part_lists_the_valid_ones(self, task):
        with pytest.raises(ConfigError, match=r"unknown part 'vall'; did you mean 'val'\?"):
            task.part("vall")


class TestFingerprint:
    def test_is_the_same_wherever_the_folder_lies(self, task, tmp_path):
        elsewhere = tmp_path / "elsewhere"
        (elsewhere / "images").mkdir(parents=True)
        for image in task.table["image"]:
            (elsewhere / image).write_bytes((tmp_path / image).read_bytes())
        assert dataclasses.replace(task, root=elsewhere).fingerprint() == task.fingerprint()
        assert len(task.fingerprint()) == 64

    @pytest.mark.parametrize(
        ("column", "value"), [("mos", 1.5), ("std", 0.25), ("std", np.nan), ("split", "test")]
    )
    def test_changes_with_labels_and_split(self, task, column, value):
        assert changed(task, column, 2, value).fingerprint() != task.fingerprint()

    def test_changes_with_the_name_and_with_one_byte_of_one_image(self, task, tmp_path):
        before = task.fingerprint()
        assert dataclasses.replace(task, name="other").fingerprint() != before
        (tmp_path / "images/003.png").write_bytes(b"edited")
        assert dataclasses.replace(task).fingerprint() != before

    def test_is_computed_once(self, task, tmp_path):
        before = task.fingerprint()
        (tmp_path / "images/003.png").unlink()
        assert task.fingerprint() == before

    def test_names_a_missing_image(self, task, tmp_path):
        (tmp_path / "images/003.png").unlink()
        with pytest.raises(DataError, match=r"task 'rated': image .*003\.png is missing"):
            task.fingerprint()

    def test_of_a_drawn_task_needs_its_recipe_with_the_hash_of_its_pixels_and_no_file(self):
        recipe = "recipe_version 1, seed 0, pixels 1f"
        made = make_task(simulated=True, recipe=recipe)
        assert made.fingerprint() == make_task(simulated=True, recipe=recipe).fingerprint()
        assert changed(made, "mos", 0, 1.5).fingerprint() != made.fingerprint()
        assert changed(made, "split", 0, "test").fingerprint() != made.fingerprint()
        other_pixels = dataclasses.replace(made, recipe=recipe.replace("1f", "2f"))
        assert other_pixels.fingerprint() != made.fingerprint()


class TestCheck:
    def test_accepts_a_sound_task(self, task):
        check_task(task)

    def test_names_a_label_that_is_no_number(self, task):
        assert message(changed(task, "mos", 4, np.nan)) == (
            "task 'rated': the mos of image 'images/004.png' is not a finite number;"
            " correct it or remove the row"
        )

    def test_names_a_part_whose_labels_are_all_equal(self, task):
        assert "every mos in part 'val' is 2, so no image ranks" in message(
            changed(task, "mos", [7, 8, 9], 2.0)
        )

    def test_names_a_part_that_is_too_small(self, task):
        text = message(changed(task, "split", [7, 8], "train"))
        assert "part 'val' has 1 image(s), at least 3 are needed; add rated images" in text

    @pytest.mark.parametrize("check", [check_task, lambda task: resplit(task, "0")])
    def test_says_that_two_images_are_too_few(self, check):
        with pytest.raises(DataError) as error:
            check(make_task("/data/rated", ["train", "test"]))
        assert str(error.value) == (
            "task 'rated': 2 images are too few; train, val and test need at least 3 each,"
            " so add rated images to /data/rated"
        )

    def test_names_an_image_listed_twice(self, task):
        text = message(changed(task, "image", 5, "images/004.png"))
        assert text == "task 'rated': image 'images/004.png' is listed twice; keep one row"

    def test_names_an_unknown_part_in_the_split(self, task):
        text = message(changed(task, "split", 1, "training"))
        assert "image 'images/001.png' has split 'training'; use train, val, test" in text

    def test_names_a_missing_file(self, task, tmp_path):
        (tmp_path / "images/013.png").unlink()
        assert message(task) == (
            f"task 'rated': image {tmp_path / 'images/013.png'} is missing;"
            " restore the file, or leave it out"
        )


class TestResplit:
    def test_given_returns_the_task_itself(self, task):
        assert resplit(task, "given") is task

    @pytest.mark.parametrize("split", ["10", "-1", "random", ""])
    def test_an_unknown_split_lists_the_valid_ones(self, task, split):
        with pytest.raises(ConfigError, match=f"unknown split '{split}'.*0, 1, 2.*given"):
            resplit(task, split)

    @given(st.lists(st.integers(1, 9), min_size=4, max_size=30), st.integers(0, 9))
    def test_no_reference_crosses_parts_and_no_part_is_empty(self, sizes, number):
        references = [f"ref{i}" for i, size in enumerate(sizes) for _ in range(size + 2)]
        made = resplit(make_task(split=[""] * len(references), references=references), str(number))
        assert made.table.groupby("reference")["split"].nunique().max() == 1
        assert set(made.table["split"]) == set(PARTS)

    @pytest.mark.parametrize("number", range(10))
    def test_images_without_references_are_split_70_10_20_exactly(self, number):
        counts = resplit(make_task(split=[""] * 500), str(number)).table["split"].value_counts()
        assert (counts["train"], counts["val"], counts["test"]) == (350, 50, 100)

    def test_uneven_references_come_near_70_10_20(self):
        random = np.random.default_rng(0)
        references = [f"ref{i}" for i in range(30) for _ in range(random.integers(5, 30))]
        for number in range(10):
            made = resplit(
                make_task(split=[""] * len(references), references=references), str(number)
            )
            shares = made.table["split"].value_counts(normalize=True)
            assert [shares[part] for part in PARTS] == pytest.approx([0.7, 0.1, 0.2], abs=0.02)

    @pytest.mark.parametrize("number", range(10))
    def test_a_dozen_large_references_leave_two_for_the_test(self, number):
        references = [f"ref{i // 66:02d}" for i in range(12 * 66)]
        made = resplit(make_task(split=[""] * len(references), references=references), str(number))
        counts = made.table.groupby("split")["reference"].nunique()
        assert counts.to_dict() == {"train": 9, "val": 1, "test": 2}

    def test_repeats_and_ignores_the_order_of_rows_and_the_old_split(self):
        made = make_task(split=[""] * 60, references=[f"ref{i // 3}" for i in range(60)])
        shuffled = made.table.sample(frac=1, random_state=0, ignore_index=True)
        again = dataclasses.replace(made, table=shuffled.assign(split="test"))
        assert split_of(resplit(again, "4")) == split_of(resplit(made, "4"))

    def test_differs_by_number_and_by_task(self):
        made = make_task(split=[""] * 60)
        splits = [str(split_of(resplit(made, str(number)))) for number in range(10)]
        assert len(set(splits)) == 10
        other = make_task(split=[""] * 60, name="other")
        assert split_of(resplit(other, "0")) != split_of(resplit(made, "0"))

    def test_leaves_everything_but_the_split_and_the_original_alone(self, task):
        before = task.table.copy()
        made = resplit(task, "3")
        pd.testing.assert_frame_equal(task.table, before)
        pd.testing.assert_frame_equal(
            made.table.drop(columns="split"), before.drop(columns="split")
        )
        assert made.name == task.name

    def test_two_references_cannot_be_split(self):
        made = make_task(references=["a"] * 7 + ["b"] * 7)
        with pytest.raises(DataError, match=r"task 'rated': 2 reference\(s\) cannot fill"):
            resplit(made, "0")


class TestFewerTrainingImages:
    @given(st.integers(1, 30), st.integers(0, 99))
    def test_a_smaller_number_is_part_of_a_larger_one_and_of_the_task(self, count, seed):
        made = make_task(split=["train"] * 40 + ["val"] * 5 + ["test"] * 5)
        few = with_training_images(made, count, seed)
        more = with_training_images(made, count + 10, seed)
        assert len(few.part("train")) == count
        assert set(few.part("train")["image"]) < set(more.part("train")["image"])
        rows = made.table["image"].isin(few.table["image"])
        pd.testing.assert_frame_equal(few.table, made.table[rows].reset_index(drop=True))
        for part in ("val", "test"):
            pd.testing.assert_frame_equal(few.part(part), made.part(part))

    def test_seeds_draw_other_images(self):
        made = make_task(split=["train"] * 40 + ["val"] * 5 + ["test"] * 5)
        drawn = {
            tuple(with_training_images(made, 5, seed).part("train")["image"]) for seed in range(5)
        }
        assert len(drawn) == 5

    def test_more_than_there_are_is_refused(self):
        made = make_task(split=["train"] * 4 + ["val"] * 3 + ["test"] * 3)
        with pytest.raises(ConfigError, match="task 'rated' has 4 training images, not 5; ask for"):
            with_training_images(made, 5, 0)


class TestDuplicates:
    @given(
        contents=st.lists(st.integers(0, 14), min_size=12, max_size=40),
        references=st.data(),
        number=st.integers(0, 9),
    )
    def test_no_reference_and_no_duplicate_image_crosses_a_split(
        self, tmp_path_factory, contents, references, number
    ):
        root = tmp_path_factory.mktemp("duplicates")
        (root / "images").mkdir()
        names = references.draw(
            st.lists(st.integers(0, 14), min_size=len(contents), max_size=len(contents))
        )
        made = make_task(root, ["train"] * len(contents), [f"scene{n}" for n in names])
        for image, content in zip(made.table["image"], contents, strict=True):
            (root / image).write_bytes(bytes([content]))
        try:
            table = resplit(made, str(number)).table
        except DataError as error:  # everything hangs together
            assert "cannot fill train, val and test without sharing content" in str(error)
            return
        assert table.groupby("reference")["split"].nunique().max() == 1
        assert table.groupby(np.array(contents))["split"].nunique().max() == 1
        assert set(table["split"]) == set(PARTS)

"""What `tsniqa data check` calls wrong a run refuses, and nothing else."""

import shutil

import numpy as np
import pandas as pd
import pytest

from tsniqa.data.checking import check, find
from tsniqa.data.task import shared_images
from tsniqa.errors import ConfigError, DataError
from tsniqa.study.config import check_order, resolve_run


def whole(table):
    return table.drop(columns="split")


def comma(table, separator, columns=("image", "mos")):
    numbers = (f"{mos:.3f}".replace(".", ",") for mos in table["mos"])
    lines = [separator.join(columns)]
    lines += [
        f"{image}{separator}{mos}" for image, mos in zip(table["image"], numbers, strict=True)
    ]
    return "\n".join(lines) + "\n"


def last_image(table, name):
    return table.assign(image=[*table["image"][:-1], name])


SOUND = {
    "as it is": lambda table: table,
    "two ratings": lambda table: whole(table).assign(mos=[1, 2] * 16),
    "one better image": lambda table: table.assign(
        mos=np.where(table["split"] == "train", [1] + [2] * 31, table["mos"])
    ),
    "semicolons and decimal commas": lambda table: comma(table, ";"),
    "tabs": lambda table: table.to_csv(index=False, sep="\t"),
    "a byte-order mark": lambda table: "\ufeff" + table.to_csv(index=False),
    "Windows paths": lambda table: table.assign(image=table["image"].str.replace("/", "\\")),
    "capital titles": lambda table: table.rename(columns=str.upper),
    "empty columns of a spreadsheet": lambda table: "".join(
        line + ",,\n" for line in table.to_csv(index=False).splitlines()
    ),
}
WRONG = {
    "3 images": (lambda table: whole(table).head(3), "3 images are too few"),
    "9 images": (lambda table: whole(table).head(9), "part 'val' has 1 image(s)"),
    "equal ratings": (lambda table: whole(table).assign(mos=3), "every mos in part 'train' is 3"),
    "one content": (lambda table: whole(table).assign(reference="x"), "1 reference(s) cannot fill"),
    "one content in all parts": (
        lambda table: table.assign(reference="x"),
        "the images of reference 'x' are in more than one part",
    ),
    "ratings out of reach": (
        lambda table: table.assign(mos=table["mos"] * 1e300),
        "e+300; scale all to at most 1e+06",
    ),
    "a name too long": (
        lambda table: last_image(table, "a" * 5000 + ".png"),
        "row 33: no file can be called 'aaaaaaaaaaaaaaaaaaaa'...",
    ),
    "a name with a zero": (lambda table: last_image(table, "a\0.png"), r"called 'a\x00.png'..."),
    "a folder for an image": (lambda table: last_image(table, "images"), "images is missing"),
    "decimal commas without quotes": (
        lambda table: comma(table, ","),
        "row 2 has 3 fields, the first line 2; write decimals with a point",
    ),
    "another end of the scale": (
        lambda table: table.rename(columns={"mos": "dmos"}),
        "a column 'dmos' does not say which end is better: name it mos if more is better",
    ),
}


def change(folder, edit):
    table = edit(pd.read_csv(folder / "labels.csv"))
    text = table if isinstance(table, str) else table.to_csv(index=False)
    (folder / "labels.csv").write_text(text, encoding="utf-8", newline="")


def found_wrong(folder):
    (source,) = find(folder.name, folder.parent)
    return check(source).wrong


@pytest.mark.parametrize("case", SOUND)
def test_what_can_be_read_is_read_alike(tmp_path, dataset, world, case):
    folder = dataset(tmp_path / "mine")
    plain = resolve_run(world.config(order=("mine",)), tmp_path, "cpu").tasks[0].table
    change(folder, SOUND[case])
    assert found_wrong(folder) == []
    read = resolve_run(world.config(order=("mine",)), tmp_path, "cpu").tasks[0].table
    assert list(read["image"]) == list(plain["image"])
    if "rating" not in case and "better" not in case:
        assert np.allclose(read["mos"], plain["mos"], atol=5e-4)


@pytest.mark.parametrize("case", WRONG)
def test_what_a_check_calls_wrong_a_run_refuses_for_the_same_reason(tmp_path, dataset, world, case):
    edit, reason = WRONG[case]
    folder = dataset(tmp_path / "mine")
    (folder / "dataset.yml").unlink()
    change(folder, edit)
    wrong = found_wrong(folder)
    assert reason in wrong[0]
    with pytest.raises(DataError) as refusal:
        resolve_run(world.config(order=("mine",)), tmp_path, "cpu")
    assert reason in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_an_image_in_two_parts_is_refused_unless_allowed(tmp_path, dataset, world):
    folder = dataset(tmp_path / "mine")
    shutil.copy(folder / "images/000.png", folder / "images/031.png")
    reason = "images/000.png, images/031.png are the same image, in more than one part"
    assert found_wrong(folder) == [reason]
    config = world.config(order=("mine",))
    with pytest.raises(DataError) as refusal:
        resolve_run(config, tmp_path, "cpu")
    assert str(refusal.value) == (
        f"task 'mine': {reason}; correct the columns split and reference, or let tsniqa run draw a"
        " split (--split 0 to 9) or allow it (--allow-overlap)"
    )
    resolve_run(world.config(order=("mine",), split="0"), tmp_path, "cpu")
    allowed = resolve_run(world.config(order=("mine",), allow_overlap=True), tmp_path, "cpu")
    assert allowed.tasks[0].name == "mine"


def test_a_table_of_the_toolbox_without_references_gives_every_image_its_own(tmp_path, dataset):
    folder = dataset(tmp_path / "mine")
    table = pd.read_csv(folder / "labels.csv")
    (folder / "labels.csv").unlink()
    own = pd.DataFrame({"dist_name": table["image"], "mos": table["mos"], "ref_name": ""})
    own.to_csv(folder / "meta_info_MineDataset.csv", index=False)
    assert found_wrong(folder) == []


def test_images_that_two_tasks_share_are_named(tmp_path, dataset, world):
    dataset(tmp_path / "one", seed=1)
    second = dataset(tmp_path / "two", seed=2)
    tasks = [
        resolve_run(world.config(order=(name,)), tmp_path, "cpu").tasks[0]
        for name in ("one", "two")
    ]
    assert list(shared_images(tasks)) == []
    shutil.copy(tmp_path / "one/images/003.png", second / "images/007.png")
    (line,) = shared_images(tasks)
    assert line.startswith("1 images of one, such as images/003.png, are images of two, too")


def test_two_tasks_whose_names_differ_in_case_alone_are_one_folder_elsewhere():
    with pytest.raises(ConfigError, match="the tasks Mine and mine differ in case alone"):
        check_order(["Mine", "other", "mine"])

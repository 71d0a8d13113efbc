"""What holds for every official layout, and the files that its reader is made of."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.io import savemat

from official import (
    avt_h265,
    bid,
    biq2021,
    csiq,
    hecd,
    kadid_10k,
    koniq_10k,
    live,
    live_challenge,
    meta_info,
    spaq,
    tid2013,
)  # fmt: skip
from tsniqa.data.cards import load_cards
from tsniqa.data.catalogue import Source, read
from tsniqa.data.readers import files
from tsniqa.errors import DataError

WRITERS = {
    "avt-h265": avt_h265, "bid": bid, "csiq": csiq, "kadid-10k": kadid_10k,
    "koniq-10k": koniq_10k, "live": live, "live-challenge": live_challenge, "spaq": spaq,
    "tid2013": tid2013, "biq2021-ss01": biq2021, "biq2021-ss02": biq2021,
    "biq2021-ss03": biq2021, "hecd": hecd, "meta-info": meta_info,
}  # fmt: skip
names = pytest.mark.parametrize("name", WRITERS)


def write(name: str, folder: Path) -> tuple[pd.DataFrame, Source]:
    """Write a dataset; return the rows that are expected of it, by image, and its source."""
    expected = WRITERS[name].write(folder)
    layout = "meta-information"
    if card := load_cards().get(name):
        expected = expected[expected["image"].str.contains(card.subset or "")]
        layout = "official"
    return expected.sort_values("image", ignore_index=True), Source(name, folder, layout)


def table(source: Source) -> pd.DataFrame:
    return read(source).table[["image", "mos", "std", "reference", "split"]]


def test_every_card_is_written_and_read_here():
    assert set(WRITERS) - {"meta-info"} == set(load_cards())


@names
def test_everything_written_is_read(name, tmp_path):
    expected, source = write(name, tmp_path / "set")
    pd.testing.assert_frame_equal(table(source), expected, check_exact=True)
    assert len(expected) >= 30
    assert all((source.folder / image).is_file() for image in expected["image"])


@names
def test_images_are_spelled_as_on_disk_and_missing_ones_stay(name, tmp_path):
    folder = tmp_path / "set"
    expected, source = write(name, folder)
    gone, other = expected["image"][:2]
    (folder / gone).unlink()
    path = folder / other
    path.rename(path.with_name(path.name.swapcase()))
    if path.parent != folder:
        path.parent.rename(path.parent.with_name(path.parent.name.swapcase()))
    images = table(source)["image"]
    assert sorted(images.str.lower()) == sorted(expected["image"].str.lower())
    missing = [image for image in images if not (folder / image).is_file()]
    assert [image.lower() for image in missing] == [gone.lower()]


@names
def test_an_empty_folder_lacks_the_first_file(name, tmp_path):
    layout = "official" if name in load_cards() else "meta-information"
    with pytest.raises(DataError, match=rf"{tmp_path} (lacks|has 0 tables)") as error:
        read(Source(name, tmp_path, layout))
    assert "\n" not in str(error.value)


def test_what_is_no_number_is_kept_for_the_check():
    values = files.numbers(["1.5", "", "good", "inf", None, "#REF!", 2])
    np.testing.assert_array_equal(values, [1.5, *[np.nan] * 5, 2])


class TestFiles:
    def test_the_exact_name_goes_before_another_case(self, tmp_path):
        for name in ("A.csv", "a.csv"):
            (tmp_path / name).touch()
        assert files.find(tmp_path, "a.csv").name == "a.csv"
        assert files.find(tmp_path, "none", "A.CSV").name == "A.csv"
        assert files.find(tmp_path, "a.csv/below") is None

    @pytest.mark.parametrize("reader", [files.matlab, files.spreadsheet])
    def test_a_damaged_file(self, tmp_path, reader):
        (tmp_path / "file").write_bytes(b"damaged")
        with pytest.raises(DataError, match=r"file cannot be read \(.*\); get the official file"):
            reader(tmp_path / "file")

    def test_a_missing_variable(self, tmp_path):
        savemat(tmp_path / "a.mat", {"mos": np.zeros((1, 15))})
        with pytest.raises(DataError, match=r"a\.mat lacks the variable std \(it has mos\); get"):
            files.matlab(tmp_path / "a.mat", "mos", "std")

    def test_a_missing_column(self, tmp_path):
        (tmp_path / "a.csv").write_text("image , MOS\n")
        with pytest.raises(DataError, match=r"lacks the column mos and std \(it has image, MOS\)"):
            files.csv_table(tmp_path / "a.csv", ["image", "mos", "std"])
        spaq.write_workbook(tmp_path / "a.xlsx", [["Image  name", "mos"], ["a.png", 1]])
        assert list(files.spreadsheet(tmp_path / "a.xlsx", ["Image Name", "MOS"])["MOS"]) == [1]
        with pytest.raises(DataError, match=r"lacks the column std \(it has Image name, mos\)"):
            files.spreadsheet(tmp_path / "a.xlsx", ["std"])

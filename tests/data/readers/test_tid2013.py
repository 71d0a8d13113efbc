"""TID2013: two lists that belong together, and names whose case differs."""

import pytest

from official.tid2013 import write
from tsniqa.data.cards import find_card
from tsniqa.data.readers import tid2013
from tsniqa.errors import DataError


def read(folder, scores, deviations):
    (folder / "mos_with_names.txt").write_text(scores, encoding="latin-1")
    (folder / "mos_std.txt").write_text(deviations, encoding="latin-1")
    return tid2013.read(folder)


def refusal(folder, scores, deviations="0.1\n"):
    with pytest.raises(DataError) as error:
        read(folder, scores, deviations)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_the_mildest_blur_has_the_higher_mos_than_the_worst(tmp_path):
    # As published: higher is better.
    table = read(tmp_path, "5.65714 i25_08_1.bmp\n2.77143 i25_08_5.bmp\n", "0.13964\n0.14047\n")
    assert list(table["mos"]) == [5.65714, 2.77143]
    assert list(table["std"]) == [0.13964, 0.14047]
    assert table["mos"][0] > table["mos"][1]
    assert find_card("tid2013").mos_range == (0, 9)
    assert not find_card("tid2013").flipped


def test_images_of_one_content_share_it_in_any_case(tmp_path):
    table = read(tmp_path, "1 i07_01_1.bmp\n2 I07_24_5.BMP\n", "1\n2\n")
    assert list(table["reference"]) == ["I07", "I07"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n", " \r\n"])
def test_line_endings_and_empty_lines_do_not_matter(tmp_path, end):
    table = read(tmp_path, f"1.5 I07_01_1.bmp{end}2.5  I08_01_1.bmp{end}", f"0.1{end} 0.2{end}")
    assert list(table["mos"]) == [1.5, 2.5]
    assert list(table["std"]) == [0.1, 0.2]


class TestDefects:
    @pytest.mark.parametrize("name", ["mos_with_names.txt", "mos_std.txt"])
    def test_a_missing_list(self, tmp_path, name):
        write(tmp_path, 1)
        (tmp_path / name).unlink()
        with pytest.raises(DataError, match=f"lacks {name}; unpack the dataset's archive"):
            tid2013.read(tmp_path)

    def test_lists_of_different_lengths(self, tmp_path):
        text = refusal(tmp_path, "1 I07_01_1.bmp\n2 I08_01_1.bmp\n")
        assert "mos_std.txt has 1 lines and mos_with_names.txt has 2" in text
        assert "get both from the same archive" in text

    @pytest.mark.parametrize("line", ["5.5", "I07_01_1.bmp", "5.5 photo.jpg", "5 x I07_01_1.bmp"])
    def test_a_line_that_is_no_score_and_image(self, tmp_path, line):
        text = refusal(tmp_path, f"{line}\n")
        assert f"mos_with_names.txt has the line '{line}', and a line is a score and" in text

"""AVT H.265 stills: means of a laboratory test, contents in image names."""

from official.avt_h265 import write
from tsniqa.data.readers import avt_h265

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
    def test_a_row_by_hand(self, tmp_path):
        table = avt_h265.read(small(tmp_path / "avt"))
        assert table.iloc[0].to_dict() == {
            "image": "test_1/images/Dancers.avi_1frame_crf_00_height_1728.png",
            "mos": 4.190476190476191,
            "std": 0.60158,
            "reference": "Dancers.avi_1frame",
            "split": "",
        }

    def test_an_older_table_has_no_deviations(self, tmp_path):
        expected = write(tmp_path / "avt", std=False)
        table = avt_h265.read(tmp_path / "avt")
        assert table["std"].isna().all()
        assert list(table["mos"]) == list(expected["mos"])

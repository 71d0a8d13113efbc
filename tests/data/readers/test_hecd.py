"""HECD: photographs are references and are rated like their recolourings."""

import pandas as pd

from tsniqa.data.readers import hecd

TWO = (
    "Ground Truth File,Recolour File,Mean zScore\n"
    "015004_gt.jpg,015004_gt.jpg,0.3969867273949054\n"
    "015004_gt.jpg,015004AB_1.jpg,-0.901569838672819\n"
)


def test_rows_by_hand(tmp_path):
    (tmp_path / "Data").mkdir()
    (tmp_path / "Data" / "mean_zscores.csv").write_text(TWO)
    expected = pd.DataFrame(
        {
            "image": ["HECDImages/015004_gt.jpg", "HECDImages/015004AB_1.jpg"],
            "mos": [0.3969867273949054, -0.901569838672819],
            "std": float("nan"),
            "reference": "015004",
            "split": "",
        }
    )
    pd.testing.assert_frame_equal(hecd.read(tmp_path), expected)

"""Images stand in the row of their task, with what is said of them."""

import pandas as pd

from tsniqa.book.plots_images import as_photograph, image_rows


def test_a_row_a_task_and_a_text_below_each_image(world):
    table = pd.DataFrame({"what": ["worst", "best"], "text": ["MOS 1", "MOS 5"]})
    rows = {
        name: table.assign(path=world.task(name).paths("test")[:2]) for name in ("alpha", "beta")
    }
    figure = image_rows(rows)
    grid = figure.axes
    assert all(len(axes.images) == 1 for axes in grid)
    assert [axes.get_title() for axes in grid] == ["worst", "best", "", ""]
    assert [axes.get_ylabel() for axes in grid] == ["alpha", "", "beta", ""]
    assert [axes.get_xlabel() for axes in grid] == ["MOS 1", "MOS 5"] * 2
    assert as_photograph(figure).data.startswith(b"\xff\xd8"), "a JPEG"

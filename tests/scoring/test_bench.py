"""The benchmark compares ways that come to the same scores."""

import numpy as np

from tsniqa.data.images import ImageSet
from tsniqa.model.tsniqa import TSNIQA
from tsniqa.scoring.bench import score_one_by_one


def test_scoring_one_by_one_and_in_batches_agree(world, tmp_path):
    record = world.run(tmp_path / "records", order=("alpha", "beta"))
    model = TSNIQA.load(record.folder / "model")
    images = ImageSet(world.task("gamma").paths("test"), None)
    assert np.allclose(score_one_by_one(model, images), model.score(images), atol=1e-5)
    assert np.ptp(model.score(images)) > 1e-3

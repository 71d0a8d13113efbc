"""Adding a task to a saved model: the new one is learned, the old ones do not move a bit."""

import numpy as np
import pytest
import torch

from tsniqa.data.images import ImageSet
from tsniqa.errors import ConfigError
from tsniqa.model.tsniqa import TSNIQA
from tsniqa.study.extension import extend


@pytest.fixture(scope="module")
def saved(world, tmp_path_factory):
    record = world.run(tmp_path_factory.mktemp("saved") / "records", order=("alpha", "beta"))
    return record.folder / "model"


def test_the_extended_model_knows_one_task_more_and_the_others_bitwise(world, saved, tmp_path):
    best = extend(saved, "gamma", tmp_path / "out", "smoke", 0, world.data_root, "cpu")
    before, after = TSNIQA.load(saved), TSNIQA.load(tmp_path / "out")
    assert -1 <= best <= 1
    assert after.tasks == ["alpha", "beta", "gamma"]
    kept = after.state()
    for name, value in before.state().items():
        assert torch.equal(value, kept[name]), name
    images = ImageSet(world.task("alpha").paths("test"), None)
    old, new = (model.head_scores(images, ["alpha", "beta"]) for model in (before, after))
    assert np.array_equal(old, new)


def test_a_known_task_and_an_existing_folder_are_refused(world, saved, tmp_path):
    with pytest.raises(ConfigError, match="knows a task 'beta' already; rename yours"):
        extend(saved, "beta", tmp_path / "out", "smoke", 0, world.data_root, "cpu")
    with pytest.raises(ConfigError, match="exists already; give --out a new folder"):
        extend(saved, "gamma", tmp_path, "smoke", 0, world.data_root, "cpu")
    assert not (tmp_path / "out").exists()

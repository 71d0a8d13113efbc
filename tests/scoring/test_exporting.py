"""Exported files: they score as the model does, and say what they are; else there is none."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image

from handmade import make_model, pictures
from tsniqa.errors import ConfigError
from tsniqa.model.profiles import TaskProfile
from tsniqa.scoring import exporting
from tsniqa.scoring.exporting import export_model

EXAMPLE = Path(__file__).parents[2] / "book" / "examples" / "score_onnx.py"
READOUTS = ["gated", "calibrated", "hard", "uniform", "centred"]


def scored(path, images):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    batch = torch.stack(images).numpy().astype(np.float32) / 255
    (scores,) = session.run(["score"], {"image": batch})
    assert scores.dtype == np.float32
    return scores


@pytest.fixture(scope="module")
def model(world):
    return make_model(world.backbone(), shorter_side=70)


@pytest.mark.parametrize("readout", READOUTS)
def test_a_whole_model_scores_as_pytorch_by_every_readout(model, tmp_path, readout):
    path = tmp_path / "model.onnx"
    rounding = 1e-6 / min(level.spread for level in model.levels.values())
    assert export_model(model, path, readout) <= 1e-5
    for size in ((40, 32), (57, 66)):
        images = pictures(4, size, seed=5)
        expected = model.predict(images, readout)
        assert np.ptp(expected) > 1e-4
        np.testing.assert_allclose(scored(path, images), expected, atol=rounding)


@pytest.mark.parametrize("options", [{}, {"ridge": True}, {"select": "masks"}, {"shared": True}])
def test_one_task_alone_is_its_head(world, tmp_path, options):
    model = make_model(world.backbone(), **options)
    export_model(model, tmp_path / "one.onnx", task="beta")
    expected = model.read(pictures(), ["beta"], gate=False).heads[:, 0]
    np.testing.assert_allclose(scored(tmp_path / "one.onnx", pictures()), expected, atol=1e-6)


def test_filters_that_tasks_share_are_written_once(world, tmp_path):
    sizes = []
    for tasks in (("alpha",), ("alpha", "beta", "gamma")):
        model = make_model(world.backbone(), tasks=tasks)
        export_model(model, tmp_path / "model.onnx", "gated")
        sizes.append((tmp_path / "model.onnx").stat().st_size)
    filters = 4 * sum(one.numel() for one in model.backbone.filters().values())
    assert sizes[0] > filters
    assert sizes[1] - sizes[0] < filters


def test_a_file_says_what_it_is(world, tmp_path):
    model = make_model(world.backbone(), shorter_side=70)
    percentiles = tuple(float(i) for i in range(101))
    model.profiles["beta"] = TaskProfile(
        description="two", citation="B. (2020)", licence="CC", simulated=True, images=5,
        held_out=2, srcc=None, mos_range=(0, 1), scale=None, distances=percentiles,
    )  # fmt: skip
    export_model(model, tmp_path / "model.onnx", "centred")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    told = session.get_modelmeta().custom_metadata_map
    assert told["readout"] == "centred"
    assert told["shorter_side"] == "70"
    tasks = json.loads(told["tasks"])
    assert list(tasks) == ["alpha", "beta"]
    assert tasks["alpha"] == {}
    assert (tasks["beta"]["citation"], tasks["beta"]["licence"]) == ("B. (2020)", "CC")


def test_what_cannot_be_exported_is_refused(model, tmp_path):
    path = tmp_path / "model.onnx"
    for options, message in (
        ({"readout": "set"}, "take --readout calibrated"),
        ({"readout": "best"}, "unknown readout 'best'"),
        ({"task": "alhpa"}, "did you mean 'alpha'"),
    ):
        with pytest.raises(ConfigError, match=message):
            export_model(model, path, **options)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_says_something_else_never_appears(model, tmp_path, monkeypatch):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"older")
    mean = model.backbone.card.mean
    other = model.backbone.card.model_copy(update={"mean": [value + 0.01 for value in mean]})
    original = exporting.export

    def mistaken(scorer, *arguments):
        scorer.card = other
        return original(scorer, *arguments)

    monkeypatch.setattr(exporting, "export", mistaken)
    with pytest.raises(ConfigError, match=r"otherwise than the model, by .*; nothing is written"):
        export_model(model, path)
    assert [one.name for one in tmp_path.iterdir()] == ["model.onnx"]
    assert path.read_bytes() == b"older"


@pytest.mark.parametrize(("size", "tolerance"), [((60, 50), 1e-5), ((200, 150), 0.02)])
def test_the_example_scores_photographs_where_torch_cannot_be_imported(
    model, tmp_path, size, tolerance
):
    photo, exported = tmp_path / "photo.png", tmp_path / "model.onnx"
    smooth = Image.fromarray(pictures(1, (12, 10))[0].permute(1, 2, 0).numpy())
    smooth.resize(size, Image.Resampling.BICUBIC).save(photo)
    export_model(model, exported, "gated")
    without = "import runpy, sys; sys.modules.update(torch=None, tsniqa=None);" + (
        f"sys.argv[0] = {str(EXAMPLE)!r}; runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    command = [sys.executable, "-c", without, str(exported), str(photo)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    score, name = done.stdout.split()
    assert name == str(photo)
    assert float(score) == pytest.approx(model.predict(photo, "gated")[0], abs=tolerance + 5e-5)

"""A record that is computed again: the same bits, or a line for everything that is different."""

import shutil

import numpy as np
import pytest
from PIL import Image, ImageOps

from tsniqa import cli
from tsniqa.errors import DataError
from tsniqa.storage import load_tensors, save_tensors
from tsniqa.study.record import RunRecord
from tsniqa.study.runner import run
from tsniqa.study.verifying import verify


@pytest.fixture
def copied(finished, tmp_path):
    """A record of two tasks that a test may change, with what it shares beside it."""
    original = finished("tsn", ("alpha", "beta")).folder
    folder = tmp_path / "records" / original.name
    shutil.copytree(original, folder)
    shutil.copytree(original.parent / "shared", folder.parent / "shared")
    return folder


def change(folder, **description):
    record = RunRecord.load(folder)
    record.description = record.description.model_copy(update=description)
    return record


def test_a_record_comes_out_again_bit_for_bit(copied, world):
    found = verify(copied, world.data_root)
    assert (found.origin, found.numbers) == ([], [])


def test_a_record_of_human_ratings_comes_out_again(world, tmp_path, dataset):
    dataset(tmp_path / "data" / "mine", seed=5, simulated=False)
    config = world.config("sequential", ("mine",))
    record = run(config, tmp_path / "data", tmp_path / "records", "cpu")
    assert record.draws is not None
    found = verify(record.folder, tmp_path / "data")
    assert (found.origin, found.numbers) == ([], [])


def test_the_preset_is_the_records_own_even_if_its_file_has_changed(copied, world, monkeypatch):
    monkeypatch.setattr("tsniqa.study.config.load_preset", lambda *_: pytest.fail("not asked for"))
    assert verify(copied, world.data_root).numbers == []


def test_what_differs_is_named_with_its_size(copied, world):
    record = change(copied, code="0" * 64)
    record.description.versions["torch"] = "1.0"
    record.scores[0, 0] += np.float32(0.25)
    record.mos[:] = record.mos[::-1].copy()
    record.save(copied)
    about, tensors = load_tensors(copied / "model")
    name = next(name for name in tensors if name.startswith("heads/"))
    tensors[name] = tensors[name] + 1
    del about["files"], about["digest"], about["format"]
    save_tensors(copied / "model", about, tensors)

    found = verify(copied, world.data_root)
    origin, numbers = "\n".join(found.origin), "\n".join(found.numbers)
    assert origin.count("\n") == 1
    assert f"code: {'0' * 64}, now " in origin
    assert "versions.torch: 1.0, now " in origin
    assert "scores: 1 of " in numbers
    assert "by at most 0.25\n" in numbers
    assert "mos: " in numbers
    assert "model: heads\n" in numbers
    assert "mean SRCC (oracle): " in numbers


def test_changed_images_are_told(copied, world, tmp_path, monkeypatch):
    shutil.copytree(world.data_root, tmp_path / "data")
    image = tmp_path / "data" / "alpha" / "images" / "000.png"
    ImageOps.invert(Image.open(image)).save(image)
    monkeypatch.setattr("tsniqa.study.verifying.run", None)  # nothing is learned
    with pytest.raises(DataError, match=r"task 'alpha' under .* is not the one of run"):
        verify(copied, tmp_path / "data")


def test_the_command_answers_by_its_exit_code(copied, world, tmp_path, capsys, monkeypatch):
    def call(*arguments):
        monkeypatch.setattr("sys.argv", ["tsniqa", "verify", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        return caught.value.code, *capsys.readouterr()

    options = ("--data-root", world.data_root)
    code, out, _ = call(copied, *options)
    assert (code, out) == (0, f"{copied}: computed again, bitwise the same\n")
    record = change(copied, device="CPU (an abacus)")
    record.scores[0, 0] += 1
    record.save(copied)
    code, out, _ = call(copied, *options)
    assert code == 1
    assert out.startswith("it came about in another way:\n  device: CPU (an abacus), now CPU (")
    assert f"{copied}: computed again, it differs:\n  scores: 1 of " in out
    for place, root in ((tmp_path, world.data_root), (copied, tmp_path / "none")):
        code, out, error = call(place, "--data-root", root)
        assert (code, out, error.count("\n")) == (2, "", 1)

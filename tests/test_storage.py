"""The folder of a saved model: every bit comes back, and no changed file is taken."""

import hashlib
import json
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tsniqa import storage
from tsniqa.errors import WeightsError
from tsniqa.storage import (
    load_tensors,
    packed,
    save_tensors,
    symmetric,
    unpacked,
    upper_triangle,
)

TENSORS = {
    "bank-a/conv.weight": torch.randn(2, 3, 2, 2).to(memory_format=torch.channels_last),
    "bank-b/conv.weight": torch.ones(2, 3, 2, 2),
    "heads/a/weight": torch.tensor([0.1], dtype=torch.float64),
    "gate/a/0": torch.tensor([[1, 2]], dtype=torch.uint8),
}  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    save_tensors(tmp_path / "model", {"select": "everything"}, TENSORS)
    return tmp_path / "model"


@pytest.mark.parametrize("kind", [str, lambda path: path])
def test_tensors_and_description_come_back(folder, kind):
    about, tensors = load_tensors(kind(folder))
    assert about["select"] == "everything"
    assert tensors.keys() == TENSORS.keys()
    for name, value in TENSORS.items():
        assert tensors[name].dtype == value.dtype
        assert torch.equal(tensors[name], value)
    names = {path.name.split(".")[0]: path.name.split(".")[1:] for path in folder.iterdir()}
    assert names.keys() == {"model", "bank-a", "bank-b", "heads", "gate"}
    digest = hashlib.sha256(file(folder, "gate").read_bytes()).hexdigest()
    assert names["gate"] == [digest[:12], "safetensors"]


def file(folder, name):
    (path,) = folder.glob(f"{name}.*.safetensors")
    return path


def test_a_save_that_is_cut_off_anywhere_leaves_the_old_folder_or_the_new_one(folder, monkeypatch):
    new = {
        **TENSORS,
        "bank-b/conv.weight": torch.zeros(2, 3, 2, 2),
        "heads/b/weight": torch.ones(1),
    }
    whole = storage.written_whole
    kept = file(folder, "bank-a").stat().st_mtime_ns
    for allowed in range(4):
        left = [allowed]

        @contextmanager
        def cut(path, left=left):
            with whole(path) as partial:
                yield partial
                left[0] -= 1
                if left[0] < 0:
                    raise KeyboardInterrupt

        monkeypatch.setattr(storage, "written_whole", cut)
        try:
            save_tensors(folder, {"select": "nothing"}, new)
            wanted, select = new, "nothing"
        except KeyboardInterrupt:
            wanted, select = TENSORS, "everything"
        about, tensors = load_tensors(folder)
        assert about["select"] == select
        assert tensors.keys() == wanted.keys()
        assert all(torch.equal(tensors[name], wanted[name]) for name in wanted)
    assert select == "nothing"
    assert file(folder, "bank-a").stat().st_mtime_ns == kept, "what is the same is not written"
    assert len(list(folder.iterdir())) == 5, "what is not listed is removed"


def edit(folder, change):
    path = folder / "model.json"
    about = json.loads(path.read_text())
    del about["digest"]
    change(about)
    path.write_text(json.dumps(about))


def reword(folder):
    path = folder / "model.json"
    path.write_text(path.read_text().replace("everything", "affine"))


def swap(folder):
    first, second = file(folder, "bank-a"), file(folder, "bank-b")
    content = first.read_bytes(), second.read_bytes()
    first.write_bytes(content[1])
    second.write_bytes(content[0])


def flip(folder):
    content = bytearray(file(folder, "bank-a").read_bytes())
    content[-1] ^= 1
    file(folder, "bank-a").write_bytes(content)


def escape(folder):
    file(folder, "heads").rename(folder.parent / "heads.safetensors")
    edit(folder, lambda about: about["files"].update({"../heads.safetensors": "0"}))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (swap, r"bank-a\.\w+\.safetensors is not the file that was saved"),
        (flip, r"bank-a\.\w+\.safetensors is not the file that was saved"),
        (escape, "not the file that was saved|No such file"),
        (lambda folder: file(folder, "gate").unlink(), "No such file"),
        (lambda folder: (folder / "model.json").unlink(), "No such file"),
        (lambda folder: (folder / "model.json").write_text('{"files": {'), "no saved model"),
        (lambda folder: (folder / "model.json").write_text("[]"), "no saved model"),
        (lambda folder: edit(folder, lambda about: about.pop("files")), "'files'"),
        (lambda folder: edit(folder, lambda about: about.update(format=1)), "its format is 1"),
        (reword, "model.json is not the file that was saved"),
    ],
)
def test_a_changed_folder_is_refused_in_one_line(folder, damage, message):
    damage(folder)
    with pytest.raises(WeightsError, match=message) as caught:
        load_tensors(folder)
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)


@given(shape=st.lists(st.integers(1, 5), min_size=1, max_size=4), seed=st.integers(0, 2**31))
def test_packed_masks_come_back(shape, seed):
    mask = torch.from_numpy(np.random.default_rng(seed).random(shape) > 0.5)
    bits = packed(mask)
    assert (bits.dtype, len(bits)) == (torch.uint8, -(-mask.numel() // 8))
    assert torch.equal(unpacked(bits, mask.shape), mask)


@given(seed=st.integers(0, 999), width=st.integers(1, 9))
def test_a_symmetric_matrix_comes_back_from_its_upper_triangle(seed, width):
    values = np.random.default_rng(seed).normal(size=(width, width))
    matrix = values + values.T
    upper = upper_triangle(matrix)
    assert upper.shape == (width * (width + 1) // 2,)
    assert np.array_equal(symmetric(upper), matrix)
    assert symmetric(upper.astype(np.float32)).dtype == np.float32


def test_the_upper_triangle_by_hand():
    assert upper_triangle(np.array([[1, 2], [2, 3]])).tolist() == [1, 2, 3]


def test_a_reader_takes_the_new_folder_if_it_is_replaced_while_it_reads(folder, monkeypatch):
    new, read = {"bank-a/x": torch.ones(2)}, storage.load_file

    def replaced(path):
        monkeypatch.setattr(storage, "load_file", read)
        save_tensors(folder, {"select": "nothing"}, new)  # and so the file is gone
        return read(path)

    monkeypatch.setattr(storage, "load_file", replaced)
    about, tensors = load_tensors(folder)
    assert about["select"] == "nothing"
    assert tensors.keys() == new.keys()


def test_what_a_killed_save_has_left_is_removed_and_nothing_else(folder):
    listed = {path.name for path in folder.iterdir()}
    (folder / "bank-c.0123456789ab.safetensors").write_bytes(b"left")
    (folder / "mine.safetensors").write_bytes(b"mine")
    storage.take_up(folder)
    assert {path.name for path in folder.iterdir()} == {*listed, "mine.safetensors"}
    load_tensors(folder)


def test_a_folder_in_which_a_first_save_was_killed_holds_nothing(folder):
    assert not storage.holds_nothing(folder)
    (folder / "model.json").rename(folder / "model.host-1.partial")
    assert storage.holds_nothing(folder)
    (folder / "notes.txt").touch()
    assert not storage.holds_nothing(folder)
    assert storage.holds_nothing(folder.parent / "none")
    assert not storage.holds_nothing(folder / "notes.txt")

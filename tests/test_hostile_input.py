"""Tables and models from strangers: whatever is in them, they are read or refused in one line.

With damaged images (test_damaged_images.py) and archives (data/test_hostile_archives.py), about
2,000 cases are tried by the fast tests and 21,700 by the slow ones.
"""

import hashlib
import json
import os
import pickle
import shutil

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hostile import bounded
from tsniqa.data.catalogue import Source
from tsniqa.data.checking import check
from tsniqa.errors import RecordError, TsniqaError, WeightsError
from tsniqa.model.backbone import load_backbone, load_card
from tsniqa.model.tsniqa import TSNIQA
from tsniqa.study.record import RunRecord

FIELDS = st.sampled_from(
    ["image", "mos", "std", "split", "reference", "a.png", "1", "1,5", "1e400", "nan", "", "-",
     "\0", "../x", "C:\\x", "train", '"', "=1+1", "\u202e", "é", " ", "\ufeff", "0x1f", "1_000"]
)  # fmt: skip
TABLES = st.lists(st.lists(FIELDS | st.text(max_size=5), max_size=6), max_size=8)
SHARED = {"suppress_health_check": [HealthCheck.function_scoped_fixture]}


@settings(max_examples=300, **SHARED)
@given(rows=TABLES, separator=st.sampled_from(",;\t"), end=st.sampled_from(["\n", "\r\n", "\r"]))
def test_any_table_is_reported_on(tmp_path, rows, separator, end):
    head = separator.join(["image", "mos", "split"])
    text = end.join([head, *(separator.join(row) for row in rows)])
    (tmp_path / "labels.csv").write_bytes(text.encode("utf-8", "surrogatepass"))
    report = check(Source("mine", tmp_path, "generic"))
    assert report.wrong
    assert all("\n" not in line for line in report.wrong)


@settings(max_examples=300, **SHARED)
@given(content=st.binary(max_size=200))
def test_any_bytes_for_a_table_are_reported_on(tmp_path, content):
    (tmp_path / "labels.csv").write_bytes(content)
    assert check(Source("mine", tmp_path, "generic")).wrong


pytestmark = pytest.mark.filterwarnings("ignore:Casting complex", "ignore::RuntimeWarning")

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def saved(world, tmp_path_factory):
    record = world.run(tmp_path_factory.mktemp("hostile") / "records", order=("alpha", "beta"))
    return record.folder / "model"


def refused_or_same(folder, expected):
    try:
        with bounded():
            model = TSNIQA.load(folder)
    except TsniqaError as error:
        assert "\n" not in str(error)
        return
    assert model.tasks == expected


@settings(max_examples=150, **SHARED)
@given(data=st.data())
def test_any_description_of_a_model_is_read_or_refused(saved, data):
    path = saved / "model.json"
    original = path.read_text()
    about = json.loads(original)
    del about["digest"]  # as somebody would who means harm
    key = data.draw(st.sampled_from(sorted(about)))
    if isinstance(about[key], dict) and about[key] and data.draw(st.booleans()):
        inner = data.draw(st.sampled_from(sorted(about[key])))
        about[key][inner] = data.draw(VALUES)
    else:
        about[key] = data.draw(VALUES)
    try:
        path.write_text(json.dumps(about))
        refused_or_same(saved, ["alpha", "beta"])
    finally:
        path.write_text(original)


@settings(max_examples=150, **SHARED)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_model_file_with_any_changed_byte_is_refused(saved, seed):
    random = np.random.default_rng(seed)
    files = sorted(saved.iterdir())
    path = files[random.integers(len(files))]
    original = path.read_bytes()
    changed = bytearray(original)
    changed[random.integers(len(changed))] ^= 1 << random.integers(8)
    try:
        path.write_bytes(changed)
        with pytest.raises(WeightsError) as refusal:
            TSNIQA.load(saved)
        assert "\n" not in str(refusal.value)
    finally:
        path.write_bytes(original)


JSON = st.recursive(VALUES, lambda inner: st.lists(inner, max_size=2), max_leaves=4)
DTYPES = st.sampled_from(["F32", "F64", "F16", "BF16", "I64", "U8", "BOOL", "F8_E4M3", "C64", "X"])
NUMBERS = st.sampled_from([-1, 0, 1, 7, 8, 2**31, 2**63, 2**64]) | st.integers(0, 40_000)


@st.composite
def headers(draw, content):
    """Change the header of a safetensors file, or its length; the tensors stay as they are."""
    size = int.from_bytes(content[:8], "little")
    header, tensors = json.loads(content[8 : 8 + size]), content[8 + size :]
    kind = draw(st.sampled_from(["length", "text", "entry", "entry", "entry", "rename", "extra"]))
    name = draw(st.sampled_from(sorted(set(header) - {"__metadata__"})))
    if kind == "length":
        return draw(NUMBERS).to_bytes(16, "little", signed=True)[:8] + content[8:]
    if kind == "text":
        text = draw(st.binary(max_size=99) | st.just(b"[" * 5000) | st.just(b"{" + bytes(9)))
        return len(text).to_bytes(8, "little") + text + tensors
    if kind == "entry":
        field = draw(st.sampled_from(["dtype", "shape", "data_offsets"]))
        lists = st.lists(NUMBERS, max_size=4)
        header[name][field] = draw(JSON | (DTYPES if field == "dtype" else lists))
    elif kind == "rename":
        header[draw(st.text(max_size=5))] = header.pop(name)
    else:
        header[draw(st.text(max_size=5))] = draw(JSON | st.just(header[name]))
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + tensors


def try_headers(saved, data):
    """Put a changed file into a model whose description lists it, as somebody would who can."""
    described = saved / "model.json"
    path = data.draw(st.sampled_from(sorted(saved.glob("*.safetensors"))))
    original, content = described.read_text(), data.draw(headers(path.read_bytes()))
    about, digest = json.loads(original), hashlib.sha256(content).hexdigest()
    own = path.with_name(f"{path.name.split('.')[0]}.{digest[:12]}.safetensors")
    del about["digest"], about["files"][path.name]
    about["files"][own.name] = digest
    try:
        own.write_bytes(content)
        described.write_text(json.dumps(about))
        refused_or_same(saved, ["alpha", "beta"])
    finally:
        described.write_text(original)
        if own != path:
            own.unlink()


def try_arrays(saved, data):
    """Change the header of a record's arrays."""
    path = saved.parent / "arrays.safetensors"
    original = path.read_bytes()
    path.write_bytes(data.draw(headers(original)))
    try:
        with bounded():
            RunRecord.load(saved.parent)
    except RecordError as error:
        assert "\n" not in str(error)
    finally:
        path.write_bytes(original)


@pytest.mark.parametrize("attempt", [try_headers, try_arrays])
@settings(max_examples=150, **SHARED)
@given(data=st.data())
def test_any_header_is_read_or_refused(saved, attempt, data):
    attempt(saved, data)


@pytest.mark.slow
@pytest.mark.parametrize("attempt", [try_headers, try_arrays])
@settings(max_examples=4_000, **SHARED)
@given(data=st.data())
def test_many_headers_are_read_or_refused(saved, attempt, data):
    attempt(saved, data)


class Program:
    """Runs when it is unpickled."""

    def __init__(self, place):
        self.place = place

    def __reduce__(self):
        return os.mkdir, (str(self.place),)


def test_a_pickle_in_place_of_tensors_is_refused_and_never_run(saved, world, tmp_path, card):
    program = pickle.dumps({"x": Program(tmp_path / "run")})
    torch.save({"x": Program(tmp_path / "run")}, tmp_path / "program.pth")
    path = next(saved.glob("heads.*.safetensors"))
    described, original = saved / "model.json", path.read_bytes()
    about = described.read_text()
    digests = [hashlib.sha256(content).hexdigest() for content in (original, program)]
    changed = json.loads(about.replace(digests[0], digests[1]))
    del changed["digest"]
    try:
        path.write_bytes(program)
        described.write_text(json.dumps(changed))
        with pytest.raises(WeightsError, match="no saved model in"):
            TSNIQA.load(saved)
    finally:
        path.write_bytes(original)
        described.write_text(about)
    for weights in ("program.pth", "program.safetensors"):
        (tmp_path / "program.safetensors").write_bytes(program)
        with pytest.raises(WeightsError, match="cannot be loaded"):
            load_backbone(load_card(str(card(tmp_path, weights=weights))))
    record = shutil.copytree(saved.parent, tmp_path / "record")
    (record / "arrays.safetensors").write_bytes(program)
    with pytest.raises(RecordError, match="no readable run record"):
        RunRecord.load(record)
    partial = tmp_path / "records" / f"{world.resolve(order=('alpha',)).run_id}.partial"
    partial.mkdir(parents=True)
    (partial / "progress.safetensors").write_bytes(program)
    with pytest.raises(RecordError, match=r"are damaged .*; delete .*partial and run again"):
        world.run(tmp_path / "records", order=("alpha",))
    assert not (tmp_path / "run").exists()

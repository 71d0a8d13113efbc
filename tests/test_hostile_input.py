"""Tables and models from strangers: whatever is in them, they are read or refused in one line."""

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tsniqa.data.catalogue import Source
from tsniqa.data.checking import check
from tsniqa.errors import TsniqaError, WeightsError
from tsniqa.model.tsniqa import TSNIQA

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
    assert all("\n" not in line.replace(end, "") for line in report.wrong[:1])


@settings(max_examples=300, **SHARED)
@given(content=st.binary(max_size=200))
def test_any_bytes_for_a_table_are_reported_on(tmp_path, content):
    (tmp_path / "labels.csv").write_bytes(content)
    assert check(Source("mine", tmp_path, "generic")).wrong


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

"""Archives from strangers: unpacked or refused in one line, and nothing outside their folder."""

import gzip
import io
import shutil
import tarfile
import zipfile
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from archives import card, tarred, zipped_as
from hostile import bounded
from tsniqa.data import unpacking
from tsniqa.errors import DataError

CARD = card("rated.zip")
FEW, MANY = 300, 4_000  # archives of every kind that are tried
KINDS = ("zip", "tar", "tar.gz", "tar.xz")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "outside").write_text("as it was")
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def unpack(folder, file, content):
    """Unpack an archive; return the names of all that lies in the folder then, or the refusal."""
    archive = folder / file
    archive.write_bytes(content)
    try:
        with bounded():
            unpacking.unpack(archive, folder, CARD)
        found = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))
    except DataError as error:
        found = str(error)
        assert "\n" not in found
        assert {path.name for path in folder.iterdir()} <= {file}
    except OSError as error:  # which `fetch` tells: a name that is too long for this disk
        assert error.errno is not None
        found = error.strerror
    assert sorted(path.name for path in folder.parent.iterdir()) == ["data", "outside"]
    assert (folder.parent / "outside").read_text() == "as it was"
    return found


def member(name, kind=tarfile.REGTYPE, target=""):
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, target
    return made


def huge_zip(size):
    """A small zip archive of one file with so many zero bytes."""
    target = io.BytesIO()
    with (
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("rated/bomb", "w", force_zip64=True) as file,
    ):
        for _ in range(size >> 20):
            file.write(bytes(1 << 20))
    return target.getvalue()


def huge_tar(size):
    """A small tar archive, gzipped, of one file with so many zero bytes."""
    packer = zlib.compressobj(9, wbits=31)
    header = member("rated/bomb")
    header.size = size
    begin = packer.compress(header.tobuf()) + packer.flush(zlib.Z_FULL_FLUSH)
    piece = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return begin + piece * (size >> 20) + packer.flush()


@pytest.mark.parametrize(
    ("file", "made", "size"),
    [("a.zip", huge_zip, 128 << 20), ("a.tar.gz", huge_tar, 3 << 30)],
)
def test_a_bomb_is_refused_before_anything_is_unpacked(folder, monkeypatch, file, made, size):
    content = made(size)
    assert len(content) < 4_000_000
    monkeypatch.setattr(unpacking.pooch, "Unzip", None)
    monkeypatch.setattr(unpacking.pooch, "Untar", None)
    found = unpack(folder, file, content)
    most = (20 * len(content) + 100_000_000) / 1e6
    assert f"'rated/bomb' makes it larger than {most:,.0f} MB, a bomb or too much" in found


def test_many_small_files_are_a_bomb_together(folder):
    members = {f"rated/{number}": bytes(30_000_000) for number in range(4)}
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    assert "'rated/3' makes it larger than" in unpack(folder, "a.zip", target.getvalue())


def test_what_does_not_fit_on_the_disk_is_refused_before_it_fills(folder, monkeypatch):
    usage = shutil.disk_usage(folder)._replace(free=5000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    content = zipped_as({"rated/a": bytes(6000)})
    assert "too much for this disk" in unpack(folder, "a.zip", content)


def test_a_file_that_is_larger_than_it_says_is_not_unpacked(folder):
    content = huge_zip(8 << 20)
    lie = content.replace((8 << 20).to_bytes(8, "little"), (10).to_bytes(8, "little"))
    lie = lie.replace((8 << 20).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    assert lie != content
    assert "is no sound archive (Bad CRC-32 for file 'rated/bomb')" in unpack(folder, "a.zip", lie)


def test_a_header_that_fills_the_memory_is_refused(folder):
    header = member("x", tarfile.XHDTYPE)
    header.size = 2 << 30
    content = gzip.compress(header.tobuf() + bytes(1 << 20))
    assert "a header of 2147483648 bytes" in unpack(folder, "a.tgz", content)


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ([("/etc/x", "file")], "'/etc/x' leaves the folder"),
        ([("../outside", "file")], "'../outside' leaves the folder"),
        ([("a/../../outside", "file")], "leaves the folder"),
        ([("C:\\x", "file")], "leaves the folder"),
        ([("\\\\server\\x", "file")], "leaves the folder"),
        ([("a", tarfile.SYMTYPE), ("a/x", "file")], "'a' is a link or a device"),
        ([("b", "file"), ("a", tarfile.LNKTYPE)], "'a' is a link or a device"),
        ([("a", tarfile.CHRTYPE)], "'a' is a link or a device"),
        ([("a", tarfile.BLKTYPE)], "'a' is a link or a device"),
        ([("a", tarfile.FIFOTYPE)], "'a' is a link or a device"),
        ([("a", tarfile.CONTTYPE), ("A", "file")], "'A' has the place of another one"),
        ([("a", "file"), ("a", "file")], "'a' has the place of another one"),
        ([("a.png", "file"), ("A.PNG", "file")], "'A.PNG' has the place of another one"),
        ([("x/é", "file"), ("x/e\u0301", "file")], "has the place of another one"),
        ([("a", "file"), ("a/b", "file")], "'a/b' has the place of another one"),
        ([("a/b", "file"), ("A", "file")], "'A' has the place of another one"),
        ([("a/b", "file"), ("a\\b", "file")], "has the place of another one"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_tricks_with_names_and_kinds_are_refused(folder, members, why):
    made = [(member(name, tarfile.REGTYPE if kind == "file" else kind, "../outside"), b"")
            for name, kind in members]  # fmt: skip
    contents = {"a.tar": tarred("w", *made)}
    if all(kind == "file" for _, kind in members):  # a zip archive is unpacked without others
        target = io.BytesIO()
        with zipfile.ZipFile(target, "w") as archive:
            for name, _ in members:
                archive.writestr(name, "x")
        contents["a.zip"] = target.getvalue()
    for file, content in contents.items():
        found = unpack(folder, file, content)
        assert why in found
        assert "so nothing was unpacked" in found
        (folder / file).unlink()


def test_folders_may_be_listed_twice_and_after_their_files(folder):
    folders = [member("a", tarfile.DIRTYPE), member("A", tarfile.DIRTYPE)]
    content = tarred("w", ("a/b", b"x"), *((one, b"") for one in folders))
    assert "a/b" in unpack(folder, "a.tar", content)


NAMES = st.sampled_from(
    ["a", "A", "a/b", "a/", "./a", "..", "../x", "/x", "a//b", "", ".", "C:x", "a\\b", "~", "é",
     "e\u0301", "\udcff", "x" * 300, "a\nb", "a\0b", "con", "a/.", "a ", "__MACOSX/a"]
) | st.text(max_size=6)  # fmt: skip
MEMBERS = st.lists(
    st.tuples(NAMES, st.sampled_from([*b"0123456"]), NAMES, st.binary(max_size=9)), max_size=5
)
SHARED = {"suppress_health_check": [HealthCheck.function_scoped_fixture]}


def try_members(folder, members):
    """Unpack any members, as zip and as tar."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, kind, _, content in members:
            info = zipfile.ZipInfo()
            info.filename = name.encode("utf-8", "replace").decode()
            info.external_attr = (0o120777 if kind == ord("2") else 0o100000) << 16  # a link
            archive.writestr(info, content)
    made = [(member(name, bytes([kind]), to), content) for name, kind, to, content in members]
    for file, content in (("a.zip", target.getvalue()), ("a.tar", tarred("w", *made))):
        unpack(folder, file, content)
        for path in folder.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.mark.filterwarnings("ignore:Duplicate name")
@settings(max_examples=FEW // 2, **SHARED)
@given(members=MEMBERS)
@example(members=[("a", ord("2"), "..", b""), ("a/outside", ord("0"), "", b"evil")])
def test_any_members_are_unpacked_or_refused_in_one_line(folder, members):
    try_members(folder, members)


def damaged(content, random):
    """Change some bytes, or cut the file."""
    content = bytearray(content)
    for place in random.integers(len(content), size=random.choice([1, 3, 10])):
        content[place] = random.choice([0, 255, random.integers(256)])
    return bytes(content[: random.integers(len(content))] if random.random() < 0.2 else content)


def try_damaged(folder, seeds):
    plain = tarred("w", ("rated/a", b"first"), ("rated/images/b", bytes(range(256)) * 4))
    wholes = {
        "a.zip": zipped_as({"rated/a": "first", "rated/images/b": bytes(range(256)) * 4}),
        "a.tar": plain,
        "a.tar.gz": gzip.compress(plain),
        "a.tar.xz": tarred("w:xz", ("rated/a", b"first"), ("rated/b", b"second")),
    }
    outcomes = set()
    for seed in seeds:
        random = np.random.default_rng(seed)
        file = random.choice(list(wholes))
        outcomes.add(type(unpack(folder, file, damaged(wholes[file], random))))
        for path in folder.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert outcomes == {str, list}


def test_a_damaged_archive_is_unpacked_or_refused_in_one_line(folder):
    try_damaged(folder, range(FEW))


@pytest.mark.slow
def test_many_damaged_archives_are_unpacked_or_refused_in_one_line(folder):
    try_damaged(folder, range(FEW, MANY))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Duplicate name")
@settings(max_examples=MANY // 2, **SHARED)
@given(members=MEMBERS)
def test_many_members_are_unpacked_or_refused_in_one_line(folder, members):
    try_members(folder, members)

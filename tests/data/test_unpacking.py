"""Unpacking archives: unsafe, damaged and foreign ones, full disks and interruptions."""

import errno
import os
import shutil
import tarfile

import pytest

from archives import ARCHIVE, PICTURE, names, refusal, tarred, zipped_as


class TestUnpacking:
    @pytest.mark.parametrize("name", ["../out", "rated/../../out", "/out", "C:out", "..\\out"])
    @pytest.mark.parametrize("kind", ["zip", "tar"])
    def test_a_member_that_leaves_the_folder_is_refused(self, get, server, tmp_path, name, kind):
        server.files["/rated.zip"] = zipped_as({"rated/a": "first", name: "evil"})
        server.files["/rated.tar"] = tarred("w", ("rated/a", b"first"), (name, b"evil"))
        message = refusal(get, f"rated.{kind}")
        assert f"its member '{name}' leaves the folder, so nothing was unpacked" in message
        assert names(tmp_path) == [f"rated.{kind}"]
        assert not (tmp_path.parent / "out").exists()

    @pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
    def test_links_and_devices_are_refused(self, get, server, tmp_path, kind):
        member = tarfile.TarInfo("rated/link")
        member.type, member.linkname = kind, "../../out"
        server.files["/rated.tar"] = tarred("w", (member, b""))
        assert "its member 'rated/link' is a link or a device" in refusal(get, "rated.tar")
        assert names(tmp_path) == ["rated.tar"]

    def test_a_page_in_place_of_the_archive_is_removed(self, get, server, tmp_path):
        server.files["/rated.zip"] = b"<html>Please log in</html>"
        message = refusal(get)
        assert "rated.zip is no sound archive (File is not a zip file) and was removed" in message
        assert message.endswith("see https://example.org/rated")
        assert names(tmp_path) == []

    @pytest.mark.parametrize("file", ["rated.zip", "rated.tar.gz", "rated.tar.xz"])
    def test_a_damaged_archive_leaves_nothing_unpacked(self, get, server, tmp_path, file):
        whole = {
            "rated.zip": ARCHIVE.replace(PICTURE[:4096], PICTURE[1:4097], 1),
            "rated.tar.gz": tarred("w:gz", ("rated/a", os.urandom(9000)))[:-2000],
            "rated.tar.xz": tarred("w:xz", ("rated/a", os.urandom(9000)))[:-2000],
        }
        server.files[f"/{file}"] = whole[file]
        assert f"{file} is no sound archive (" in refusal(get, file)
        assert names(tmp_path) == []

    def test_a_packing_that_python_does_not_know_is_left_to_the_user(self, get, server, tmp_path):
        method = ARCHIVE.replace(
            b"PK\x03\x04\x14\x00\x00\x00\x00\x00", b"PK\x03\x04\x14\x00\x00\x00\x09\x00"
        )
        method = method.replace(
            b"\x14\x03\x14\x00\x00\x00\x00\x00", b"\x14\x03\x14\x00\x00\x00\x09\x00"
        )
        server.files["/rated.zip"] = method
        message = refusal(get)
        assert "cannot be unpacked here (That compression method is not supported)" in message
        assert message.endswith(f"unpack it in {tmp_path} by hand")
        assert names(tmp_path) == ["rated.zip"]

    def test_a_file_of_the_users_is_not_overwritten(self, get, tmp_path):
        (tmp_path / "rated").mkdir()
        (tmp_path / "rated/a").write_text("mine")
        message = refusal(get)
        assert f"{tmp_path / 'rated/a'} exists and is not what rated.zip holds" in message
        assert (tmp_path / "rated/a").read_text() == "mine"
        assert not (tmp_path / "rated/images").exists()

    def test_what_an_interrupted_move_left_is_completed(self, get, tmp_path):
        (tmp_path / "rated").mkdir()
        (tmp_path / "rated/a").write_text("first")
        (tmp_path / ".rated.zip.unpacking").mkdir()
        (tmp_path / ".rated.zip.unpacking/half").write_text("")
        assert get() == [tmp_path / "rated"]
        assert names(tmp_path) == ["rated", "rated.zip"]
        assert (tmp_path / "rated/images/b").read_bytes() == PICTURE

    def test_interrupting_leaves_nothing_that_looks_unpacked(
        self, get, server, tmp_path, monkeypatch
    ):
        copy = shutil.copyfileobj

        def interrupted(source, target, size):
            if source.name.endswith("b"):
                raise KeyboardInterrupt
            copy(source, target, size)

        with monkeypatch.context() as patched:
            patched.setattr(shutil, "copyfileobj", interrupted)
            with pytest.raises(KeyboardInterrupt):
                get()
        assert names(tmp_path) == ["rated.zip"]
        get()
        assert len(server.log) == 1
        assert (tmp_path / "rated/images/b").read_bytes() == PICTURE

    def test_a_disk_that_fills_while_unpacking(self, get, server, tmp_path, monkeypatch):
        def full(*_):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with monkeypatch.context() as patched:
            patched.setattr(shutil, "copyfileobj", full)
            assert refusal(get) == (
                f"{tmp_path}: the disk is full; free space or fetch into another folder"
                " (rated.zip is kept)"
            )
        assert names(tmp_path) == ["rated.zip"]
        get()
        assert len(server.log) == 1

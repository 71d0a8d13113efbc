"""Bringing a file over HTTP from a server that cuts, changes, refuses and falls silent."""

import json
import shutil
import socket
import threading
from pathlib import Path

import pytest
import requests

from archives import ARCHIVE, PICTURE, names, ranges, refusal, sha256, zipped
from tsniqa.data import transfer


class TestResuming:
    def test_after_a_cut_connection_only_the_rest_is_asked_for(self, get, server, waits, tmp_path):
        server.cuts = [150_000]
        get(checksum=sha256(ARCHIVE))
        first, second = server.log
        assert first == ("/rated.zip", None, None)
        have = int(second[1].removeprefix("bytes=").removesuffix("-"))
        assert 150_000 - transfer._CHUNK <= have <= 150_000
        assert second[2] == '"one"'
        assert waits == [1.0]
        assert (tmp_path / "rated/images/b").read_bytes() == PICTURE
        assert names(tmp_path) == ["rated", "rated.zip"]

    def test_a_later_call_goes_on_where_an_earlier_one_gave_up(self, get, server, waits, tmp_path):
        server.cuts = [150_000, 0, 0, 0]
        message = refusal(get)
        assert "the connection was cut; check the network and fetch again (0.1 MB are kept in" in (
            message
        )
        assert waits == [1.0, 2.0, 4.0]
        have = (tmp_path / "rated.zip.part").stat().st_size
        assert not (tmp_path / "rated.zip").exists()
        get()
        assert ranges(server) == [None, *[f"bytes={have}-"] * 4]
        assert (tmp_path / "rated/images/b").read_bytes() == PICTURE

    def test_a_download_that_goes_on_is_never_given_up(self, get, server, waits):
        server.cuts = [70_000] * 10
        get(checksum=sha256(ARCHIVE))
        assert len(server.log) == len(waits) + 1 == 5
        assert set(waits) == {1.0}

    def test_a_server_without_ranges_sends_all_of_it(self, get, server, tmp_path):
        server.cuts, server.ranges = [150_000], False
        get(checksum=sha256(ARCHIVE))
        assert len(server.log) == 2

    def test_a_server_without_ranges_that_always_cuts_is_given_up(self, get, server):
        server.cuts, server.ranges = [150_000] * 20, False
        assert "the connection was cut" in refusal(get)
        assert len(server.log) == 1 + transfer.ATTEMPTS

    @pytest.mark.parametrize("longer", [0, 5_000])
    def test_a_file_that_changed_meanwhile_is_not_joined(self, get, server, tmp_path, longer):
        server.cuts = [150_000, 0, 0, 0]
        refusal(get)
        changed = zipped(rated__images__b=PICTURE[::-1] + b"x" * longer)
        server.files["/rated.zip"], server.tag = changed, '"two"'
        get()
        assert server.log[-1][2] == '"one"'
        assert (tmp_path / "rated.zip").read_bytes() == changed

    def test_a_server_that_ignores_the_condition_is_found_out_by_its_tag(
        self, get, server, tmp_path
    ):
        server.cuts = [150_000, 0, 0, 0]
        refusal(get)
        changed = zipped(rated__a="other", rated__images__b=PICTURE)
        server.files["/rated.zip"], server.tag, server.conditional = changed, '"two"', False
        get()
        assert ranges(server)[-2].startswith("bytes=")
        assert ranges(server)[-1] is None
        assert (tmp_path / "rated.zip").read_bytes() == changed

    def test_a_part_of_another_length_is_not_joined(self, get, server, tmp_path):
        server.cuts = [150_000, 0, 0, 0]
        refusal(get)
        server.files["/rated.zip"] = changed = zipped(rated__images__b=PICTURE[::-1] + b"x")
        get()  # under the same tag
        assert ranges(server)[-1] is None
        assert (tmp_path / "rated.zip").read_bytes() == changed

    def test_bytes_from_another_place_are_not_joined(self, get, server, tmp_path):
        server.cuts, server.shift = [150_000, 0, 0, 0], -7
        get()
        assert ranges(server)[0] is ranges(server)[-1] is None
        assert (tmp_path / "rated.zip").read_bytes() == ARCHIVE

    def test_a_range_that_cannot_be_satisfied_begins_anew(self, get, server, tmp_path):
        server.cuts = [150_000, 0, 0, 0]
        refusal(get)
        with (tmp_path / "rated.zip.part").open("ab") as part:
            part.write(bytes(2 * len(ARCHIVE)))
        get(checksum=sha256(ARCHIVE))
        assert ranges(server)[-1] is None
        assert (tmp_path / "rated.zip").read_bytes() == ARCHIVE

    def test_without_a_tag_or_a_checksum_nothing_can_be_continued(self, get, server):
        server.cuts, server.tag = [150_000], None
        get()
        assert ranges(server) == [None, None]

    def test_without_a_tag_the_checksum_makes_continuing_safe(self, get, server):
        server.cuts, server.tag = [150_000], None
        get(checksum=sha256(ARCHIVE))
        assert ranges(server)[1].startswith("bytes=")
        assert server.log[1][2] is None

    def test_a_weak_tag_promises_too_little(self, get, server):
        server.cuts, server.tag = [150_000], 'W/"one"'
        get()
        assert ranges(server) == [None, None]

    def test_a_part_that_is_whole_needs_no_request(self, get, server, tmp_path):
        memory = {"url": f"{server.url}/rated.zip", "validator": '"one"', "size": len(ARCHIVE)}
        (tmp_path / "rated.zip.part").write_bytes(ARCHIVE)
        (tmp_path / "rated.zip.part.json").write_text(json.dumps(memory))
        get(checksum=sha256(ARCHIVE))
        assert server.log == []

    @pytest.mark.parametrize("memory", [None, "{", "[]", '{"url": 1}'])
    def test_a_part_of_unknown_origin_is_not_continued(self, get, server, tmp_path, memory):
        (tmp_path / "rated.zip.part").write_bytes(b"who knows")
        if memory:
            (tmp_path / "rated.zip.part.json").write_text(memory)
        get(checksum=sha256(ARCHIVE))
        assert ranges(server) == [None]

    def test_a_file_of_unannounced_length_is_fetched_too(self, get, server, tmp_path):
        server.length = False
        get()
        assert (tmp_path / "rated.zip").read_bytes() == ARCHIVE

    def test_interrupting_keeps_the_part_and_leaves_no_file(
        self, get, server, tmp_path, monkeypatch
    ):
        class Interrupted(transfer.tqdm):
            def update(self, n=1):
                super().update(n)
                if self.n > 150_000:
                    raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr(transfer, "tqdm", Interrupted)
            with pytest.raises(KeyboardInterrupt):
                get()
        assert names(tmp_path) == ["rated.zip.part", "rated.zip.part.json"]
        have = (tmp_path / "rated.zip.part").stat().st_size
        assert 150_000 < have < len(ARCHIVE)
        get(checksum=sha256(ARCHIVE))
        assert ranges(server) == [None, f"bytes={have}-"]


class TestFailures:
    def test_a_wrong_checksum_removes_the_file(self, get, server, tmp_path):
        expected = "sha256:" + "0" * 64
        assert refusal(get, checksum=expected) == (
            f"{server.url}/rated.zip has the checksum {sha256(ARCHIVE)}, expected {expected}; the"
            " download was removed: fetch again, and if it stays so, compare with"
            " https://example.org/sums"
        )
        assert names(tmp_path) == []

    def test_an_older_file_stays_until_its_successor_is_verified(self, get, server, tmp_path):
        (tmp_path / "rated.zip").write_bytes(b"older")
        refusal(get, checksum="md5:" + "0" * 32)
        assert (tmp_path / "rated.zip").read_bytes() == b"older"

    def test_a_missing_file(self, get, server, waits, tmp_path):
        assert refusal(get, "gone.zip") == (
            f"{server.url}/gone.zip: the server answers 404 Not Found; look for the archive at"
            f" https://example.org/rated and unpack it in {tmp_path}"
        )
        assert waits == []
        assert names(tmp_path) == []

    def test_an_overloaded_server_is_asked_again(self, get, server, waits):
        server.statuses = [503, 429]
        get(checksum=sha256(ARCHIVE))
        assert waits == [2.0, 4.0]

    def test_a_server_that_stays_overloaded(self, get, server):
        server.statuses = [503] * 9
        message = refusal(get)
        assert "the server answers 503 Service Unavailable; check the network" in message
        assert message.endswith("(nothing is kept)")
        assert len(server.log) == transfer.ATTEMPTS

    def test_a_refused_connection(self, get, waits):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{free.getsockname()[1]}"
            assert refusal(get, url=url) == (
                f"{url}/rated.zip: Connection refused; check the network and fetch again"
                " (nothing is kept)"
            )
        assert len(waits) == transfer.ATTEMPTS - 1

    def test_a_server_that_falls_silent(self, get, server, monkeypatch, tmp_path):
        monkeypatch.setattr(transfer, "TIMEOUT", (5.0, 0.05))
        monkeypatch.setattr(transfer, "ATTEMPTS", 1)
        server.cuts, server.hang = [150_000, 0], threading.Event()
        message = refusal(get)
        assert "no answer for 0.05 s; check the network and fetch again (0.1 MB are kept" in message
        assert (tmp_path / "rated.zip.part").stat().st_size > 0

    def test_no_connection_in_time(self, get, monkeypatch):
        def silent(*_, **__):
            raise requests.ConnectTimeout

        monkeypatch.setattr(requests, "get", silent)
        assert "no connection within 20 s" in refusal(get)

    def test_an_address_that_is_none(self, get):
        message = refusal(get, url="nowhere")
        assert "nowhere/rated.zip cannot be fetched (" in message
        assert message.endswith("see https://example.org/rated")

    def test_too_little_space_for_the_announced_length(self, get, server, tmp_path, monkeypatch):
        usage = shutil.disk_usage(tmp_path)._replace(free=100_000)
        with monkeypatch.context() as patched:
            patched.setattr(shutil, "disk_usage", lambda _: usage)
            assert refusal(get) == (
                f"{tmp_path} has 0.1 MB free and rated.zip needs another 0.3 MB; free space or"
                " fetch into another folder (nothing is kept)"
            )
        assert names(tmp_path) == []

    def test_too_little_space_for_the_rest_keeps_what_came(
        self, get, server, tmp_path, monkeypatch
    ):
        server.cuts = [200_000, 0, 0, 0]
        refusal(get)
        usage = shutil.disk_usage(tmp_path)._replace(free=50_000)
        with monkeypatch.context() as patched:
            patched.setattr(shutil, "disk_usage", lambda _: usage)
            message = refusal(get)
        assert "needs another 0.1 MB" in message
        assert f"(0.2 MB are kept in {tmp_path / 'rated.zip.part'})" in message
        get(checksum=sha256(ARCHIVE))

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
    def test_a_disk_that_is_full(self, get, tmp_path):
        (tmp_path / "rated.zip.part").symlink_to("/dev/full")
        assert refusal(get) == (
            f"{tmp_path / 'rated.zip.part'}: the disk is full; free space or fetch into another"
            " folder (nothing is kept)"
        )
        assert not (tmp_path / "rated.zip").exists()

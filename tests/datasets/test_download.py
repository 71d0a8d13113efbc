"""Fetching archives from a server of the test's own: resuming, verifying, unpacking, failing."""

import errno
import hashlib
import io
import json
import logging
import os
import shutil
import socket
import tarfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests
from filelock import FileLock
from pydantic import ValidationError

from tsniqa.datasets import transfer
from tsniqa.datasets.cards import DatasetCard
from tsniqa.datasets.download import fetch
from tsniqa.errors import DataError

PICTURE = bytes(range(256)) * 1200  # 307,200 bytes, which deflate is not allowed to shrink


def zipped(**members):
    """A zip archive; ``__`` in a keyword stands for ``/``."""
    return zipped_as({name.replace("__", "/"): content for name, content in members.items()})


def zipped_as(members):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return target.getvalue()


def tarred(mode, *members):
    """A tar archive of pairs (member or name, content)."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode=mode) as archive:
        for member, content in members:
            if isinstance(member, str):
                member = tarfile.TarInfo(member)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return target.getvalue()


ARCHIVE = zipped(rated__a="first", rated__images__b=PICTURE)


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        asked, condition = self.headers.get("Range"), self.headers.get("If-Range")
        server.log.append((self.path, asked, condition))
        if server.statuses:
            self.send_response(server.statuses.pop(0))
            self.end_headers()
            return
        content = server.files.get(self.path)
        if content is None:
            self.send_response(404)
            self.end_headers()
            return
        begin = 0
        if asked and server.ranges and (condition in (None, server.tag) or not server.conditional):
            begin = int(asked.removeprefix("bytes=").removesuffix("-")) + server.shift
            if begin >= len(content):
                self.send_response(416)
                self.end_headers()
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        if server.tag:
            self.send_header("ETag", server.tag)
        if server.length:
            self.send_header("Content-Length", str(len(content) - begin))
        self.end_headers()
        stop = begin + server.cuts.pop(0) if server.cuts else len(content)
        self.wfile.write(content[begin:stop])
        self.wfile.flush()
        if stop < len(content) and server.hang:
            server.hang.wait()

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.daemon_threads = True
    made.files = {"/rated.zip": ARCHIVE}
    made.log, made.cuts, made.statuses = [], [], []
    made.tag, made.ranges, made.length, made.shift, made.hang = '"one"', True, True, 0, None
    made.conditional = True
    made.url = f"http://127.0.0.1:{made.server_port}"
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    if made.hang:
        made.hang.set()
    made.shutdown()
    thread.join()
    made.server_close()


@pytest.fixture
def waits():
    return []


@pytest.fixture
def get(server, tmp_path, waits):
    """Fetch files of the server into a folder; the waiting between attempts is only recorded."""

    def run(*files, checksum=None, url=server.url):
        return fetch(
            card(*files or ["rated.zip"], checksum=checksum, url=url), tmp_path, waits.append
        )

    return run


def card(*files, checksum=None, url="", **attributes):
    known = {
        "name": "rated",
        "title": "Rated",
        "images": 2,
        "distortions": "none",
        "rating": "1 to 5",
        "mos_range": (1, 5),
        "licence": "CC0",
        "access": "download",
        "how": "Fill in the form.",
        "homepage": "https://example.org/rated",
        "folders": ["rated"],
        "markers": ["a"],
        "citation": "Us (2024)",
        "confirmed": [],
        "downloads": [
            {
                "url": f"{url}/{file}",
                "file": file,
                "checksum": checksum,
                "source": "https://example.org/sums",
            }
            for file in files
        ],
    }
    return DatasetCard.model_validate(known | attributes)


def sha256(content):
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def refusal(get, *files, **options):
    with pytest.raises(DataError) as error:
        get(*files, **options)
    message = str(error.value)
    assert "\n" not in message
    return message


def names(folder):
    """What lies in a folder, without records and locks."""
    kept = (path.name for path in Path(folder).iterdir())
    return sorted(name for name in kept if not name.endswith((".lock", ".unpacked")))


def ranges(server):
    return [asked for _, asked, _ in server.log]


class TestFetching:
    @pytest.mark.parametrize("algorithm", ["sha256", "md5"])
    def test_an_archive_is_downloaded_verified_and_unpacked(self, get, tmp_path, algorithm):
        checksum = f"{algorithm}:{hashlib.new(algorithm, ARCHIVE).hexdigest().upper()}"
        assert get(checksum=checksum) == [tmp_path / "rated"]
        assert (tmp_path / "rated/a").read_text() == "first"
        assert (tmp_path / "rated/images/b").read_bytes() == PICTURE
        assert names(tmp_path) == ["rated", "rated.zip"]

    def test_an_archive_without_a_folder_of_its_own_gets_one(self, server, tmp_path):
        made = card("rated.zip", url=server.url)
        (download,) = made.downloads
        made = made.model_copy(
            update={"downloads": (download.model_copy(update={"into": "mine"}),)}
        )
        assert fetch(made, tmp_path) == [tmp_path / "mine" / "rated"]
        assert names(tmp_path) == ["mine"]
        assert names(tmp_path / "mine") == ["rated", "rated.zip"]

    @pytest.mark.parametrize("into", ["..", "a/b", "/etc", "a\\b", "."])
    def test_a_card_cannot_send_it_out_of_the_data_root(self, into):
        download = {"url": "u", "file": "f", "source": "s", "into": into}
        with pytest.raises(ValidationError, match="into"):
            card(downloads=[download])

    def test_what_is_unpacked_is_not_fetched_again_even_without_the_archive(
        self, get, server, tmp_path
    ):
        first = get(checksum=sha256(ARCHIVE))
        (tmp_path / "rated.zip").unlink()
        (tmp_path / "rated/a").write_text("edited")
        assert get(checksum=sha256(ARCHIVE)) == first
        assert len(server.log) == 1
        assert (tmp_path / "rated/a").read_text() == "edited"

    def test_what_was_removed_is_unpacked_again_from_the_archive(self, get, server, tmp_path):
        get()
        shutil.rmtree(tmp_path / "rated")
        get()
        assert len(server.log) == 1
        assert (tmp_path / "rated/a").read_text() == "first"

    def test_a_new_checksum_on_the_card_fetches_anew(self, get, server, tmp_path):
        get(checksum=sha256(ARCHIVE))
        server.files["/rated.zip"] = other = zipped(rated__c="third")
        get(checksum=sha256(other))
        assert (tmp_path / "rated/c").read_text() == "third"

    def test_without_a_published_checksum_the_one_that_came_is_reported(self, get, caplog):
        caplog.set_level(logging.INFO, "tsniqa")
        get()
        assert f"has the checksum {sha256(ARCHIVE)}; none is published" in caplog.text

    def test_several_archives_may_share_a_folder(self, get, server, tmp_path):
        server.files["/more.tar.gz"] = tarred("w:gz", ("rated/images/c", b"third"))
        server.files["/labels.csv"] = b"image,mos\n"
        found = get("rated.zip", "more.tar.gz", "labels.csv")
        assert found == [tmp_path / "rated", tmp_path / "labels.csv"]
        assert sorted(path.name for path in (tmp_path / "rated/images").iterdir()) == ["b", "c"]
        assert get("rated.zip", "more.tar.gz", "labels.csv") == found
        assert len(server.log) == 3

    @pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
    def test_tar_archives_of_every_packing(self, get, server, tmp_path, mode):
        file = f"rated.tar{mode[1:].replace(':', '.')}"
        member = tarfile.TarInfo("./rated")
        member.type = tarfile.DIRTYPE
        server.files[f"/{file}"] = tarred(mode, (member, b""), ("./rated/a", b"first"))
        assert get(file) == [tmp_path / "rated"]
        assert (tmp_path / "rated/a").read_text() == "first"

    def test_zip_archives_from_windows_and_macos(self, get, server, tmp_path):
        members = {"rated\\": "", "rated\\x\\a": "first", "__MACOSX/rated/a": "-"}
        server.files["/rated.zip"] = zipped_as(members)
        assert get() == [tmp_path / "rated"]
        assert (tmp_path / "rated/x/a").read_text() == "first"

    def test_a_kind_of_archive_that_python_does_not_read_is_left_to_the_user(
        self, get, server, tmp_path, caplog
    ):
        server.files["/rated.rar"] = b"Rar!"
        assert get("rated.rar") == [tmp_path / "rated.rar"]
        assert "rated.rar has to be unpacked by hand" in caplog.text

    def test_progress_goes_to_standard_error(self, get, capsys):
        get()
        captured = capsys.readouterr()
        assert captured.out == ""
        assert "rated.zip: 100%" in captured.err

    def test_a_dataset_behind_a_form_says_where_the_form_is(self, tmp_path):
        with pytest.raises(DataError) as error:
            fetch(card(access="form"), tmp_path / "new")
        assert str(error.value) == (
            "dataset 'rated' has no open download; see https://example.org/rated: Fill in the form."
        )
        assert not (tmp_path / "new").exists()

    def test_a_second_process_is_told_to_wait(self, get, tmp_path):
        with FileLock(tmp_path / ".rated.zip.lock"):
            assert "another process is fetching rated.zip there; wait" in refusal(get)


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

    def test_a_folder_that_is_a_file(self, server, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(DataError, match=r"cannot be written \(File exists\); check the folder"):
            fetch(card("rated.zip", url=server.url), tmp_path / "file")


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

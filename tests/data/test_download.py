"""Fetching a card's archives: servers that cut, change and refuse; unpacking; finding again."""

import errno
import hashlib
import io
import logging
import os
import shutil
import socket
import tarfile
import threading
import zipfile
from pathlib import Path

import pytest
from filelock import FileLock
from pydantic import ValidationError

from archives import (
    ARCHIVE,
    PICTURE,
    card,
    names,
    ranges,
    refusal,
    sha256,
    tarred,
    zipped,
    zipped_as,
)  # fmt: skip
from official import csiq, koniq_10k
from tsniqa.data import catalogue, download
from tsniqa.data.cards import DatasetCard, find_card
from tsniqa.data.download import fetch
from tsniqa.errors import DataError


class TestFetching:
    @pytest.mark.parametrize("algorithm", ["sha256", "md5"])
    def test_an_archive_is_downloaded_verified_and_unpacked(self, get, tmp_path, algorithm):
        checksum = f"{algorithm}:{hashlib.new(algorithm, ARCHIVE).hexdigest().upper()}"
        assert get(checksum=checksum) == [tmp_path / "rated"]
        assert (tmp_path / "rated/a").read_text() == "first"
        assert (tmp_path / "rated/images/b").read_bytes() == PICTURE
        assert names(tmp_path) == ["rated", "rated.zip"]

    def test_an_archive_without_a_folder_of_its_own_gets_one(self, server, tmp_path):
        url = {"url": f"{server.url}/rated.zip", "file": "rated.zip", "source": "s"}
        made = card(downloads=[url | {"into": "mine"}])
        assert fetch(made, tmp_path) == [tmp_path / "mine" / "rated"]
        assert names(tmp_path) == ["mine"]
        assert names(tmp_path / "mine") == ["rated", "rated.zip"]

    @pytest.mark.parametrize("into", ["..", "a/b", "/etc", "a\\b", "."])
    def test_a_card_cannot_send_it_out_of_the_data_root(self, into):
        with pytest.raises(ValidationError, match="into"):
            card(downloads=[{"url": "u", "file": "f", "source": "s", "into": into}])

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

    def test_a_folder_that_is_a_file(self, server, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(DataError, match=r"cannot be written \(File exists\); check the folder"):
            fetch(card("rated.zip", url=server.url), tmp_path / "file")


class TestResuming:
    def test_after_a_cut_connection_only_the_rest_is_asked_for(self, get, server, waits, tmp_path):
        server.cuts = [150_000]
        get(checksum=sha256(ARCHIVE))
        first, second = server.log
        assert first == ("/rated.zip", None, None)
        have = int(second[1].removeprefix("bytes=").removesuffix("-"))
        assert 80_000 < have <= 150_000
        assert second[2] == '"one"'
        assert waits == [1.0]
        assert (tmp_path / "rated/images/b").read_bytes() == PICTURE
        assert names(tmp_path) == ["rated", "rated.zip"]

    def test_a_later_call_goes_on_where_an_earlier_one_gave_up(self, get, server, waits, tmp_path):
        server.cuts = [150_000, 0, 0, 0]
        message = refusal(get)
        assert message.endswith("); check the network and fetch again (0.1 MB are kept)")
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

    @pytest.mark.parametrize(("cuts", "requests"), [(1, 2), (20, 1 + download.ATTEMPTS)])
    def test_a_server_without_ranges_sends_all_of_it_or_is_given_up(
        self, get, server, cuts, requests
    ):
        server.cuts, server.ranges = [150_000] * cuts, False
        if cuts == 1:
            get(checksum=sha256(ARCHIVE))
        else:
            assert "the connection failed" in refusal(get)
        assert len(server.log) == requests

    @pytest.mark.parametrize("conditional", [True, False])
    @pytest.mark.parametrize("longer", [0, 5_000])
    def test_a_file_that_changed_meanwhile_is_not_joined(
        self, get, server, tmp_path, longer, conditional
    ):
        server.cuts = [150_000, 0, 0, 0]
        refusal(get)
        changed = zipped(rated__images__b=PICTURE[::-1] + b"x" * longer)
        server.files["/rated.zip"], server.tag = changed, '"two"'
        server.conditional = conditional  # a server that ignores the condition is found out
        get()
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

    @pytest.mark.parametrize(
        ("tag", "checksum", "goes_on"),
        [(None, None, False), ('W/"one"', None, False), (None, sha256(ARCHIVE), True)],
        ids=["neither", "weak tag", "checksum"],  # an archive made here differs in every process
    )
    def test_only_a_strong_tag_or_a_checksum_makes_continuing_safe(
        self, get, server, tag, checksum, goes_on
    ):
        server.cuts, server.tag = [150_000], tag
        get(checksum=checksum)
        assert (ranges(server)[1] is not None) == goes_on

    @pytest.mark.parametrize("origin", [None, "", "another/rated.zip\n", "a\nb\nc"])
    def test_a_part_of_unknown_origin_is_not_continued(self, get, server, tmp_path, origin):
        (tmp_path / "rated.zip.part").write_bytes(b"who knows")
        if origin is not None:
            (tmp_path / "rated.zip.part.origin").write_text(origin)
        get(checksum=sha256(ARCHIVE))
        assert ranges(server) == [None]

    def test_a_file_of_unannounced_length_is_fetched_too(self, get, server, tmp_path):
        server.length = False
        get()
        assert (tmp_path / "rated.zip").read_bytes() == ARCHIVE

    def test_interrupting_keeps_the_part_and_leaves_no_file(
        self, get, server, tmp_path, monkeypatch
    ):
        class Interrupted(download.tqdm):
            def update(self, n=1):
                super().update(n)
                if self.n > 150_000:
                    raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr(download, "tqdm", Interrupted)
            with pytest.raises(KeyboardInterrupt):
                get()
        assert names(tmp_path) == ["rated.zip.part", "rated.zip.part.origin"]
        have = (tmp_path / "rated.zip.part").stat().st_size
        assert 150_000 < have < len(ARCHIVE)
        get(checksum=sha256(ARCHIVE))
        assert ranges(server) == [None, f"bytes={have}-"]


class TestFailures:
    def test_a_wrong_checksum_removes_the_file(self, get, server, tmp_path):
        (tmp_path / "rated.zip").write_bytes(b"older")
        expected = "0" * 64
        came = sha256(ARCHIVE).partition(":")[2]
        message = refusal(get, checksum=f"sha256:{expected}")
        assert message.startswith(f"{server.url}/rated.zip: SHA256 hash of downloaded file")
        assert f"expected sha256:{expected} but got {came}; the download was removed" in message
        assert message.endswith("compare with https://example.org/sums")
        assert names(tmp_path) == ["rated.zip"]
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
        assert refusal(get) == (
            f"{server.url}/rated.zip: the connection failed (the server answers 503 Service"
            " Unavailable); check the network and fetch again (0.0 MB are kept)"
        )
        assert len(server.log) == download.ATTEMPTS

    def test_a_refused_connection(self, get, waits):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{free.getsockname()[1]}"
            assert f"{url}/rated.zip: the connection failed (ConnectionError)" in refusal(
                get, url=url
            )
        assert len(waits) == download.ATTEMPTS - 1

    def test_a_server_that_falls_silent(self, get, server, monkeypatch, tmp_path):
        monkeypatch.setattr(download, "TIMEOUT", (5.0, 0.05))
        monkeypatch.setattr(download, "ATTEMPTS", 1)
        server.cuts, server.hang = [150_000, 0], threading.Event()
        assert "check the network and fetch again (0.1 MB are kept)" in refusal(get)
        assert (tmp_path / "rated.zip.part").stat().st_size > 0

    def test_an_address_that_is_none(self, get):
        message = refusal(get, url="nowhere")
        assert "nowhere/rated.zip cannot be fetched (" in message
        assert message.endswith("see https://example.org/rated")

    def test_too_little_space_for_what_is_announced(self, get, server, tmp_path, monkeypatch):
        usage = shutil.disk_usage(tmp_path)._replace(free=100_000)
        with monkeypatch.context() as patched:
            patched.setattr(shutil, "disk_usage", lambda _: usage)
            assert refusal(get) == (
                f"{tmp_path} has 0.1 MB free and rated.zip needs another 0.3 MB; free space or"
                " fetch into another folder"
            )
        assert "rated.zip" not in names(tmp_path)
        get(checksum=sha256(ARCHIVE))

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
    def test_a_disk_that_is_full(self, get, tmp_path):
        (tmp_path / "rated.zip.part").symlink_to("/dev/full")
        assert refusal(get) == (
            f"{tmp_path}: the disk is full; free space or fetch into another folder (what came so"
            " far is kept)"
        )
        assert not (tmp_path / "rated.zip").exists()


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

    def test_a_link_in_a_zip_is_unpacked_as_a_plain_file(self, get, server, tmp_path):
        target = io.BytesIO()
        with zipfile.ZipFile(target, "w") as archive:
            link = zipfile.ZipInfo("rated/link")
            link.create_system, link.external_attr = 3, 0o120777 << 16
            archive.writestr(link, "../../out")
        server.files["/rated.zip"] = target.getvalue()
        get()
        assert not (tmp_path / "rated/link").is_symlink()
        assert (tmp_path / "rated/link").read_text() == "../../out"

    @pytest.mark.parametrize("file", ["rated.zip", "rated.tar.gz", "rated.tar.xz", "page.zip"])
    def test_a_damaged_archive_is_removed_and_leaves_nothing(self, get, server, tmp_path, file):
        whole = {
            "rated.zip": ARCHIVE.replace(PICTURE[:4096], PICTURE[1:4097], 1),
            "rated.tar.gz": tarred("w:gz", ("rated/a", os.urandom(9000)))[:-2000],
            "rated.tar.xz": tarred("w:xz", ("rated/a", os.urandom(9000)))[:-2000],
            "page.zip": b"<html>Please log in</html>",
        }
        server.files[f"/{file}"] = whole[file]
        message = refusal(get, file)
        assert f"{file} is no sound archive (" in message
        assert message.endswith("see https://example.org/rated")
        assert names(tmp_path) == []

    def test_a_packing_that_python_does_not_know_is_left_to_the_user(self, get, server, tmp_path):
        method = ARCHIVE.replace(
            b"PK\x03\x04\x14\x00\x00\x00\x00\x00", b"PK\x03\x04\x14\x00\x00\x00\x09\x00"
        )
        server.files["/rated.zip"] = method.replace(
            b"\x14\x03\x14\x00\x00\x00\x00\x00", b"\x14\x03\x14\x00\x00\x00\x09\x00"
        )
        message = refusal(get)
        assert "cannot be unpacked here (That compression method is not supported)" in message
        assert message.endswith(f"unpack it in {tmp_path} by hand")
        assert names(tmp_path) == ["rated.zip"]

    @pytest.mark.parametrize(("mine", "named"), [("a", "a"), ("images", "images/b")])
    def test_a_file_of_the_users_is_not_overwritten(self, get, tmp_path, mine, named):
        (tmp_path / "rated").mkdir()
        (tmp_path / "rated" / mine).write_text("mine")
        message = refusal(get)
        assert f"{tmp_path / 'rated' / named} exists and is not what rated.zip holds" in message
        assert (tmp_path / "rated" / mine).read_text() == "mine"
        assert names(tmp_path / "rated") == [mine]

    def test_what_an_interrupted_move_left_is_completed(self, get, tmp_path):
        (tmp_path / "rated").mkdir()
        (tmp_path / "rated/a").write_text("first")
        (tmp_path / ".rated.zip.unpacking").mkdir()
        (tmp_path / ".rated.zip.unpacking/half").write_text("")
        assert get() == [tmp_path / "rated"]
        assert names(tmp_path) == ["rated", "rated.zip"]
        assert (tmp_path / "rated/images/b").read_bytes() == PICTURE

    @pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(errno.ENOSPC, "full")])
    def test_stopping_half_way_leaves_nothing_that_looks_unpacked(
        self, get, server, tmp_path, monkeypatch, error
    ):
        copy = shutil.copyfileobj

        def stopped(source, target, *size):
            if source.name.endswith("b"):
                raise error
            copy(source, target, *size)

        with monkeypatch.context() as patched:
            patched.setattr(shutil, "copyfileobj", stopped)
            if error is KeyboardInterrupt:
                with pytest.raises(KeyboardInterrupt):
                    get()
            else:
                assert f"{tmp_path}: the disk is full; free space or fetch" in refusal(get)
        assert names(tmp_path) == ["rated.zip"]
        get()
        assert len(server.log) == 1
        assert (tmp_path / "rated/images/b").read_bytes() == PICTURE


class TestLocating:
    """What the shipped cards fetch into a data root is found there as the dataset."""

    @pytest.fixture
    def fetched(self, server, tmp_path):
        """Fetch a shipped card, served from a folder, into an empty data root."""

        def run(name, files):
            official = find_card(name)
            assert sorted(files) == sorted(one.file for one in official.downloads)
            server.files = {f"/{file}": content for file, content in files.items()}
            root = tmp_path / "data"
            fetch(served(official, server.url), root)
            assert names(root) == [official.downloads[0].into]
            return root

        return run

    @pytest.mark.parametrize("below", ["", "dst_imgs"])
    def test_csiq(self, fetched, tmp_path, below):
        made = tmp_path / "made"
        expected = csiq.write(made, below=below)
        images = {image: (made / image).read_bytes() for image in expected["image"]}
        workbook = (made / "csiq.DMOS.xlsx").read_bytes()
        root = fetched("csiq", {"csiq.DMOS.xlsx": workbook, "dst_imgs.zip": zipped_as(images)})
        assert_read("csiq", root, expected)

    def test_koniq_10k(self, fetched, tmp_path):
        made = tmp_path / "made"
        expected = koniq_10k.write(made)
        images = {image: (made / image).read_bytes() for image in expected["image"]}
        scores = {koniq_10k.SCORES: (made / koniq_10k.SCORES).read_bytes()}
        files = {
            "koniq10k_1024x768.zip": zipped_as(images),
            "koniq10k_scores_and_distributions.zip": zipped_as(scores),
            koniq_10k.SETS: (made / koniq_10k.SETS).read_bytes(),
        }
        assert_read("koniq-10k", fetched("koniq-10k", files), expected)


def served(official: DatasetCard, url: str) -> DatasetCard:
    """A shipped card whose downloads come from another server and may hold anything."""
    downloads = tuple(
        one.model_copy(update={"url": f"{url}/{one.file}", "checksum": None})
        for one in official.downloads
    )
    return official.model_copy(update={"downloads": downloads})


def assert_read(name, root, expected):
    """A dataset is located under a data root in its official layout, with all its images."""
    source = catalogue.locate(name, root)
    assert source is not None
    assert (source.folder, source.layout) == (root / find_card(name).downloads[0].into, "official")
    images = catalogue.read(source).table["image"]
    assert sorted(images) == sorted(expected["image"])
    assert all((source.folder / image).is_file() for image in images)

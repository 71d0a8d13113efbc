"""Fetching a card's archives: what is downloaded, verified, unpacked and found again."""

import hashlib
import logging
import shutil
import tarfile

import pytest
from filelock import FileLock
from pydantic import ValidationError

from archives import ARCHIVE, PICTURE, card, names, refusal, sha256, tarred, zipped, zipped_as
from official import csiq, koniq_10k
from tsniqa.data import catalogue
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

    def test_a_folder_that_is_a_file(self, server, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(DataError, match=r"cannot be written \(File exists\); check the folder"):
            fetch(card("rated.zip", url=server.url), tmp_path / "file")


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
